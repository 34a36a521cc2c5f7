package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) topVerb() *cobra.Command {
	once := false
	cmd := &cobra.Command{
		Use:   "top FLOW",
		Short: "Watch in the terminal how fresh a flow is, and what it is busy with",
		Long: `Top shows what the first two screens of the console show: how fresh each sink is,
the flow with its rows, calls and queues, what takes a while, and what hinders it.
It asks the running flow every second; q or Ctrl-C ends it.

With --once, or where standard output is no terminal, it prints one frame.`,
		Example: "  freshet top flow.yaml\n  freshet top flow.yaml --once",
		Args:    takes("flow file"),
	}
	cmd.Flags().BoolVar(&once, "once", false, "print one frame and end")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		t := &top{cli: c, path: args[0]}
		if err := t.begin(cmd.Context()); err != nil {
			return result{}, err
		}
		out, ok := c.out.(*os.File)
		if c.json || once || !ok || !term.IsTerminal(int(out.Fd())) {
			return result{data: topData{t.watch.Newest().Status, t.watch.Newest().Ready, t.watch.Newest().Reasons, t.graph}, text: func(w io.Writer) {
				fmt.Fprint(w, t.frame(frameWidth, 0, c.color))
			}}, nil
		}
		return result{}, t.live(cmd.Context(), out)
	})
	return cmd
}

// frameWidth is how wide a frame is that no terminal shows, in characters.
const frameWidth = 100

// topData is what the verb tells programs.
type topData struct {
	Status  engine.Status   `json:"status"`
	Ready   bool            `json:"ready"`
	Reasons []engine.Reason `json:"reasons"`
	Graph   console.Graph   `json:"graph"`
}

// top is a flow that is being watched.
type top struct {
	cli   *cli
	path  string
	state string // directory of the flow's state
	watch console.Watch
	graph console.Graph
	gone  time.Time // since when nobody answers; zero: somebody does
}

// begin asks the flow for the first time, running or stopped.
func (t *top) begin(ctx context.Context) error {
	var err error
	if t.state, err = t.cli.place(t.path); err != nil {
		return err
	}
	_, err = either(ctx, t.cli.locally(), t.path, func(p *peer) (struct{}, error) {
		if err := p.ask(ctx, http.MethodGet, "/api/v1/graph", nil, &t.graph); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, t.sample(ctx, p)
	}, func(f *flow) (struct{}, error) {
		s, err := f.standing()
		if err == nil {
			t.graph = console.GraphOf(f.plan)
			t.watch.See(console.Sample{At: time.Now(), Status: s.Status, Reasons: s.Reasons})
		}
		return struct{}{}, err
	})
	return err
}

// sample asks a running flow how it does.
func (t *top) sample(ctx context.Context, p *peer) error {
	s, err := p.standing(ctx, "/api/v1/status")
	if err != nil {
		return err
	}
	t.watch.See(console.Sample{At: time.Now(), Status: s.Status, Ready: len(s.Reasons) == 0, Reasons: s.Reasons})
	return nil
}

// topBeat is how often the flow is asked.
const topBeat = time.Second

// live draws frames until somebody has seen enough. What was drawn last stays as it was while nobody answers.
func (t *top) live(ctx context.Context, out *os.File) (err error) {
	s, err := openScreen(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	next := time.Now().Add(topBeat)
	for {
		width, height := s.size()
		if err := s.draw(t.frame(width, height, t.cli.color || os.Getenv("NO_COLOR") == "")); err != nil {
			return err
		}
		key, err := s.key(ctx, next)
		switch {
		case err != nil || key == 'q' || key == 'Q' || key == ctrlC:
			return stopped(ctx, err)
		case time.Now().Before(next):
			continue // another size, or a key that says nothing
		}
		next = time.Now().Add(topBeat)
		if err := t.again(ctx); err != nil {
			return stopped(ctx, err)
		}
	}
}

// again asks once more. Somebody who does not answer now may do so later.
func (t *top) again(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if p, ok := findPeer(ctx, t.state); ok && t.sample(ctx, p) == nil {
		t.gone = time.Time{}
		return nil
	}
	if t.gone.IsZero() && t.watch.Newest().Status.State == "running" { // of a stopped flow nobody was to answer
		t.gone = time.Now()
	}
	return nil
}

// frame draws what is known now; see [frame].
func (t *top) frame(width, height int, color bool) string {
	f := frame{width: width, height: height, color: color}
	note := ""
	if !t.gone.IsZero() {
		note = "nobody answers since " + t.gone.Format("15:04:05") + "; figures as of then"
	}
	f.all(&t.watch, t.graph, note)
	return strings.Join(f.lines, "\n") + "\n"
}
