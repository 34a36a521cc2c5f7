package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/stream/api"
)

// cli is where a verb speaks: its result to stdout, everything else to stderr.
type cli struct {
	out, err io.Writer
	json     bool // one envelope on stdout
	terminal bool // stderr is one
	color    bool

	state string // --state
	level string // --log-level
	form  string // --log-format

	local bool // the verb reads the state: it answers as well where servers of a stopped flow are away

	crash func(point string) // called at every durable step of a flow, for tests; nil: nobody is
}

// result is what a verb has to say: data for programs, text for people.
type result struct {
	data any
	text func(w io.Writer)
}

// verb makes a cobra function of a verb.
func (c *cli) verb(work func(cmd *cobra.Command, args []string) (result, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		r, err := work(cmd, args)
		if err != nil {
			return addressed(err, cmd, args)
		}
		if c.json {
			return c.line(api.Envelope{OK: true, Data: r.data})
		}
		if r.text != nil {
			r.text(c.out)
		}
		return nil
	}
}

// line prints one line of JSON on stdout.
func (c *cli) line(value any) error {
	e := json.NewEncoder(c.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// fail says how a verb ended that did not succeed.
func (c *cli) fail(f *fault) {
	if c.json {
		// Standard output is gone where this fails: the exit code is all that is left to say.
		_ = c.line(api.Envelope{Data: f.Data, Error: &f.Fault})
		return
	}
	if len(f.diagnostics) > 0 {
		_ = f.diagnostics.Render(c.err, c.color)
		return
	}
	fmt.Fprintf(c.err, "freshet: %s %s\n", c.paint("1;31", "error:"), visible(f.Message))
	if f.Hint != "" {
		fmt.Fprintf(c.err, "freshet: %s %s\n", c.paint("1;36", "hint:"), visible(f.Hint))
	}
}

// note tells people something that is neither result nor error.
func (c *cli) note(format string, args ...any) {
	if !c.json {
		fmt.Fprintf(c.err, "freshet: "+format+"\n", args...)
	}
}

func (c *cli) paint(code, text string) string {
	if !c.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// visible replaces control characters: what a terminal shows may come from a file or a server.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '�'
	}, text)
}
