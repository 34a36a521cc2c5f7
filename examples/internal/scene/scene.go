// Package scene is where the examples play: a copy of the example's folder that is gone afterwards, and the binary
// freshet beside it. What belongs here is what every example needs to be played; what an example shows is its own.
//
// Of Freshet's packages it may import internal/idle alone.
//
// # Errors
//
// A [Scene] keeps the first error. Nothing is done or printed after it, so that an example reads as a list of what
// happens, and [Play] prints it in the end.
//
// # Concurrency
//
// A Scene belongs to one goroutine.
package scene

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/freshet/freshet/internal/idle"
)

// Scene is a copy of an example's folder in which verbs of freshet run.
type Scene struct {
	dir    string // the copy
	root   string // the checkout
	binary string // empty until it is needed
	out    io.Writer
	env    []string
	err    error // the first
}

// Play plays the example whose folder below examples/ has this name: it gives acts a copy of the folder, and removes the
// copy when acts has returned. An error is printed, and ends the process with exit code 1; an interrupt ends ctx.
func Play(name string, acts func(ctx context.Context, s *Scene)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	s, err := set(name)
	if err == nil {
		acts(ctx, s)
		err = errors.Join(s.err, os.RemoveAll(s.dir))
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// set lays a copy of the folder out.
func set(name string) (*Scene, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the checkout: %w", err)
	}
	folder := filepath.Join(root, "examples", name)
	if _, err := os.Stat(folder); err != nil {
		return nil, fmt.Errorf("find the example: %w; run it in the root of the checkout", err)
	}
	dir, err := os.MkdirTemp("", "freshet-example-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	if err := os.CopyFS(dir, os.DirFS(folder)); err != nil {
		return nil, errors.Join(fmt.Errorf("copy the example: %w", err), os.RemoveAll(dir))
	}
	return &Scene{dir: dir, root: root, binary: os.Getenv(Binary), out: os.Stdout, env: os.Environ()}, nil
}

// Check keeps the first error, and reports whether there has been none so far.
func (s *Scene) Check(err error) bool {
	if s.err == nil {
		s.err = err
	}
	return s.err == nil
}

// Err is the first error so far.
func (s *Scene) Err() error { return s.err }

// Act says what happens next.
func (s *Scene) Act(what string) { s.Say("# %s", what) }

// Say prints a line of what an act comes to.
func (s *Scene) Say(format string, args ...any) {
	if s.err == nil {
		fmt.Fprintf(s.out, format+"\n", args...)
	}
}

// Pause waits a moment, before something is looked at again that takes a while to become so.
func (s *Scene) Pause(ctx context.Context) { s.Check(idle.For(ctx, 20*time.Millisecond)) }

// Path is that of a file of the copy.
func (s *Scene) Path(name string) string { return filepath.Join(s.dir, name) }

// Read gives a file of the copy.
func (s *Scene) Read(name string) []byte {
	if s.err != nil {
		return nil
	}
	text, err := os.ReadFile(s.Path(name))
	s.Check(err)
	return text
}

// Edit replaces a text in a file of the copy, where it stands first.
func (s *Scene) Edit(name, before, after string) {
	text := s.Read(name)
	if !bytes.Contains(text, []byte(before)) {
		s.Check(fmt.Errorf("edit %s: it does not say %q", name, before))
		return
	}
	s.Check(os.WriteFile(s.Path(name), bytes.Replace(text, []byte(before), []byte(after), 1), 0o600))
}

// Rows folds a change log of the copy: the newest row of each key, by key, as JSON without what says where it comes from.
func (s *Scene) Rows(log string) []string {
	rows := map[string]string{}
	for line := range strings.Lines(string(s.Read(log))) {
		var row struct {
			Op  string `json:"_op"`
			Key string `json:"_key"`
		}
		if !s.Check(json.Unmarshal([]byte(line), &row)) {
			return nil
		}
		if row.Op == "delete" {
			delete(rows, row.Key)
			continue
		}
		line, _, _ = strings.Cut(line, `,"_version"`)
		rows[row.Key] = strings.Replace(line, `"_op":"upsert",`, "", 1) + "}"
	}
	lines := make([]string, 0, len(rows))
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		lines = append(lines, rows[key])
	}
	return lines
}

// ShowRows prints what Rows gives.
func (s *Scene) ShowRows(log string) {
	for _, row := range s.Rows(log) {
		s.Say("%s", row)
	}
}
