package scene

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Binary is the environment variable that names the binary freshet. Where it is empty, bin/freshet is built.
const Binary = "FRESHET"

// Setenv gives the verbs that run from now on a variable of the environment.
func (s *Scene) Setenv(name, value string) { s.env = append(s.env, name+"="+value) }

// Freshet runs a verb as a person would, and prints it with what it says.
func (s *Scene) Freshet(ctx context.Context, args ...string) { s.shown(ctx, 0, args) }

// Rejects is Freshet for a verb that is to leave dead letters, which it says by exit code 1.
func (s *Scene) Rejects(ctx context.Context, args ...string) { s.shown(ctx, 1, args) }

func (s *Scene) shown(ctx context.Context, exit int, args []string) {
	c := s.command(ctx, args)
	s.show(args)
	if s.err != nil {
		return
	}
	var said, noted bytes.Buffer
	c.Stdout, c.Stderr = &said, &noted
	err := c.Run()
	for line := range strings.Lines(said.String()) {
		s.Say("%s", strings.TrimRight(line, " \n"))
	}
	for line := range strings.Lines(noted.String()) {
		// What else is noted tells of progress, in times and rates.
		if strings.HasPrefix(line, "freshet: error: ") || strings.HasPrefix(line, "freshet: hint: ") {
			s.Say("%s", strings.TrimRight(line, "\n"))
		}
	}
	if c.ProcessState == nil || ctx.Err() != nil {
		s.Check(fmt.Errorf("run freshet %s: %w", args[0], errors.Join(err, ctx.Err())))
	} else if code := c.ProcessState.ExitCode(); code != exit {
		s.Check(fmt.Errorf("run freshet %s: exit code %d, where %d was to be: %s", args[0], code, exit, noted.String()))
	}
}

// show prints a command as a shell does that is told to.
func (s *Scene) show(args []string) {
	line := "+ freshet"
	for _, a := range args {
		if strings.ContainsAny(a, " '") {
			a = `"` + a + `"`
		}
		line += " " + a
	}
	s.Say("%s", line)
}

// Ask runs a verb in silence, and decodes the data of its envelope.
func (s *Scene) Ask(ctx context.Context, data any, args ...string) {
	c := s.command(ctx, append(args, "--json"))
	if s.err != nil {
		return
	}
	said, err := c.Output()
	envelope := struct {
		Data  any
		Error *struct{ Code, Message string }
	}{Data: data}
	if bad := json.Unmarshal(said, &envelope); bad != nil {
		err = fmt.Errorf("%w: %s", errors.Join(err, bad), said)
	} else if fault := envelope.Error; fault != nil {
		err = fmt.Errorf("%s: %s", fault.Code, fault.Message)
	}
	if err != nil {
		s.Check(fmt.Errorf("run freshet %s: %w", args[0], err))
	}
}

// command prepares a verb in the folder of the copy.
func (s *Scene) command(ctx context.Context, args []string) *exec.Cmd {
	if s.binary == "" && s.err == nil {
		s.binary = filepath.Join(s.root, "bin", "freshet")
		build := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "./cmd/freshet")
		build.Dir, build.Env, build.Stderr = s.root, append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		if err := build.Run(); err != nil {
			s.Check(fmt.Errorf("build freshet: %w", err))
		}
	}
	c := exec.CommandContext(ctx, s.binary, args...)
	c.Dir, c.Env = s.dir, s.env
	return c
}
