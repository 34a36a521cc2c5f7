package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is a commit in a folder of its own.
type release struct {
	folder  string
	commit  string
	date    time.Time // what every file is dated by
	differs int       // files of the working tree that are not as the commit has them
}

// checkout puts a commit of the repository at from into a folder. Go notes in a binary where its sources come from, and
// whether they were touched: from a clone nothing but the commit is built.
func checkout(ctx context.Context, from, ref, folder string) (*release, error) {
	commit, err := output(ctx, from, nil, "git", "rev-parse", "--verify", ref+"^{commit}")
	if err != nil {
		return nil, err
	}
	top, err := output(ctx, from, nil, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	changed, err := output(ctx, top, nil, "git", "status", "--porcelain")
	if err != nil {
		return nil, err
	}
	r := &release{folder: folder, commit: commit, differs: strings.Count(changed, "\n")}
	if changed != "" {
		r.differs++ // the last line has lost its end
	}
	if _, err := output(ctx, top, nil, "git", "clone", "--quiet", "--no-checkout", top, folder); err != nil {
		return nil, err
	}
	if _, err := output(ctx, folder, nil, "git", "-c", "advice.detachedHead=false", "checkout", "--quiet", commit); err != nil {
		return nil, err
	}
	seconds := os.Getenv("SOURCE_DATE_EPOCH")
	if seconds == "" {
		if seconds, err = output(ctx, folder, nil, "git", "show", "-s", "--format=%ct", commit); err != nil {
			return nil, err
		}
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read SOURCE_DATE_EPOCH: %w", err)
	}
	r.date = time.Unix(at, 0).UTC()
	return r, nil
}

// read gives a file of the commit.
func (r *release) read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(r.folder, filepath.FromSlash(name)))
}

// target is a system and a processor, as Go names them.
type target struct{ system, processor string }

func (t target) String() string { return t.system + "/" + t.processor }

func parseTargets(names string) ([]target, error) {
	var targets []target
	for name := range strings.SplitSeq(names, ",") {
		system, processor, ok := strings.Cut(strings.TrimSpace(name), "/")
		if !ok || system == "" || processor == "" {
			return nil, fmt.Errorf("target %q is not of the form linux/amd64", name)
		}
		targets = append(targets, target{system, processor})
	}
	return targets, nil
}

// binary is what was built for a target.
type binary struct {
	target
	content []byte
	info    *debug.BuildInfo
}

// version is the tag of the commit, or what Go makes of its date where it has none.
func (b *binary) version() string { return b.info.Main.Version }

// build compiles the commit. Whatever the environment could change in the bytes is set.
func (r *release) build(ctx context.Context, t target, into string) (*binary, error) {
	env := []string{"CGO_ENABLED=0", "GOOS=" + t.system, "GOARCH=" + t.processor, "GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0",
		"GOWORK=off", "GOFIPS140=off"}
	if _, err := output(ctx, r.folder, env, "go", "build", "-trimpath", "-buildvcs=true", "-mod=readonly", "-ldflags=-s -w", "-o", into, "./cmd/freshet"); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(into)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(info.Main.Version, "+dirty") {
		return nil, fmt.Errorf("build %s: the checkout was changed meanwhile", info.Main.Version)
	}
	return &binary{t, content, info}, nil
}

// output runs a program in a folder and gives what it prints, without the last end of line.
func output(ctx context.Context, folder string, env []string, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir, c.Env = folder, append(os.Environ(), env...)
	var complaints bytes.Buffer
	c.Stderr = &complaints
	said, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("run %s %s: %w: %s", name, args[0], err, strings.TrimSpace(complaints.String()))
	}
	return strings.TrimRight(string(said), "\n"), nil
}

// sums lists the files of a folder as sha256sum writes and reads them.
func sums(folder string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(content), e.Name()))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[66:], b[66:]) })
	return strings.Join(lines, ""), nil
}
