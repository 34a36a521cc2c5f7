package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/engine"
)

func (c *console) planVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan FLOW",
		Short: "Tell what the next run would do, and change nothing",
		Long: `Plan compares a flow file with what its last run has left: which steps are new or
changed, about how many rows they evaluate and how many calls that takes at most,
and what happens to each sink. Texts that a model has answered before cost no call;
they are told from others only when they are evaluated.`,
		Args: takes("flow file"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		p, err := c.previewOf(cmd.Context(), args[0])
		if err != nil {
			return result{}, err
		}
		return result{data: p, text: func(w io.Writer) { showPreview(w, p) }}, nil
	})
	return cmd
}

func (c *console) previewOf(ctx context.Context, path string) (*engine.Preview, error) {
	f, err := c.open(ctx, path)
	if err != nil {
		return nil, err
	}
	if _, ok := findPeer(ctx, f.state); ok {
		return nil, newFault("state_in_use", "stop it first, or try the change on a copy of its state", "the flow is running")
	}
	var p *engine.Preview
	if f.exists() {
		p, err = reading(f, func(db *statestore.DB) (*engine.Preview, error) { return engine.PreviewStopped(ctx, db, f.plan) })
	} else {
		p, err = engine.PreviewStopped(ctx, nil, f.plan)
	}
	return p, f.safe(err)
}

func showPreview(w io.Writer, p *engine.Preview) {
	rows := [][]string{{"step", "change", "rows", "calls at most"}}
	for _, name := range slices.Sorted(maps.Keys(p.Steps)) {
		s := p.Steps[name]
		rows = append(rows, []string{name, s.Change, grouped(s.Rows), grouped(s.Calls)})
	}
	section(w, rows)
	rows = [][]string{{"sink", "change"}}
	for _, name := range slices.Sorted(maps.Keys(p.Sinks)) {
		rows = append(rows, []string{name, p.Sinks[name].Change})
	}
	section(w, rows)
	for _, name := range slices.Sorted(maps.Keys(p.Sinks)) {
		for _, statement := range p.Sinks[name].Statements {
			fmt.Fprintf(w, "\n%s;\n", statement)
		}
	}
}
