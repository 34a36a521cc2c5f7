package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and returns its exit code.
func execute(args []string, stdout, stderr io.Writer) int {
	return newCLI(args, stdout, stderr).execute(args)
}

func newCLI(args []string, stdout, stderr io.Writer) *cli {
	c := &cli{out: stdout, err: stderr, json: asksJSON(args)}
	if f, ok := stderr.(*os.File); ok {
		info, err := f.Stat()
		c.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
		c.color = c.terminal && os.Getenv("NO_COLOR") == ""
	}
	return c
}

func (c *cli) execute(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal drains; after it the system's own handling is back, so that a second one ends
	// the process at once.
	defer context.AfterFunc(ctx, stop)()

	root := newRoot(c)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		f := faultOf(err)
		c.fail(f)
		return f.Exit
	}
	return exitOK
}

// asksJSON looks for --json before the flags are parsed: a command line that does not parse is told of
// in the form that it asked for.
func asksJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.Contains(args, "--json") || slices.Contains(args, "--json=true")
}
