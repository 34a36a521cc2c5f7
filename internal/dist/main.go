package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		stop()
		os.Exit(1)
	}
}

// run makes everything for the targets that the arguments name.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("dist", flag.ContinueOnError)
	into := flags.String("out", filepath.Join("bin", "dist"), "folder that is made anew with what is made")
	ref := flags.String("commit", "HEAD", "commit that is made")
	names := flags.String("targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64", "systems and processors, with commas between")
	if err := flags.Parse(args); err != nil {
		return err
	}
	targets, err := parseTargets(*names)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "freshet-dist-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r, err := checkout(ctx, ".", *ref, filepath.Join(work, "source"))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "commit %s of %s\n", r.commit, r.date.Format("2006-01-02"))
	if r.differs > 0 {
		fmt.Fprintf(out, "%d files of the working tree differ from it and have no part in it\n", r.differs)
	}
	if err := os.RemoveAll(*into); err != nil {
		return err
	}
	if err := os.MkdirAll(*into, 0o755); err != nil {
		return err
	}
	for _, t := range targets {
		if err := r.make(ctx, t, work, *into); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	sums, err := sums(*into)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(*into, "SHA256SUMS"), []byte(sums), 0o644); err != nil {
		return err
	}
	_, err = io.WriteString(out, sums)
	return err
}

// make builds one target and writes everything that is given away for it.
func (r *release) make(ctx context.Context, t target, work, into string) error {
	b, err := r.build(ctx, t, filepath.Join(work, "freshet"))
	if err != nil {
		return err
	}
	notices, err := r.notices(ctx, b)
	if err != nil {
		return err
	}
	name := strings.Join([]string{"freshet", b.version(), t.system, t.processor}, "_")
	rights, err := r.rights(notices)
	if err != nil {
		return err
	}
	files := map[string]func() ([]byte, error){
		name + ".tar.gz":   func() ([]byte, error) { return r.archive(b, rights, name) },
		name + ".cdx.json": func() ([]byte, error) { return r.bill(b, notices) },
	}
	if t.system == "linux" {
		files[debName(b)] = func() ([]byte, error) { return r.deb(b, rights) }
	}
	for file, content := range files {
		bytes, err := content()
		if err != nil {
			return fmt.Errorf("make %s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(into, file), bytes, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// archive is what a person unpacks: one folder with the binary and what has to go along with it.
func (r *release) archive(b *binary, rights []byte, name string) ([]byte, error) {
	t := tree{}
	t.file(name+"/freshet", 0o755, b.content)
	t.file(name+"/NOTICES", 0o644, rights)
	for _, page := range []string{"CHANGELOG.md", "LICENSE", "README.md"} {
		content, err := r.read(page)
		if err != nil {
			return nil, err
		}
		t.file(name+"/"+page, 0o644, content)
	}
	return t.tarball(r.date)
}
