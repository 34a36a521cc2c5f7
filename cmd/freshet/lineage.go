package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) lineageVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lineage FLOW SUBJECT",
		Short: "Show what was made of a source row, or what a sink's row was made of",
		Long: `Lineage answers for <source>/<key>, for <sink>/<_key> and for a key as a search
shows it: the whole way in both directions, with when each row was computed, by
which logic, and why.`,
		Example: "  freshet lineage flow.yaml docs/guide/billing.md",
		Args:    takes("flow file", "source or sink key"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		found, err := c.trace(cmd.Context(), args[0], args[1])
		if err != nil {
			return result{}, err
		}
		var rejected []engine.DeadLetter
		if !c.json && found.Subject.Kind == "source" {
			all, err := c.deadLetters(cmd.Context(), args[0])
			if err != nil {
				return result{}, err
			}
			rejected = slices.DeleteFunc(all.Items, func(l engine.DeadLetter) bool { return l.Source != found.Subject.Name || l.Key != found.Subject.Key })
		}
		return result{data: found, text: func(w io.Writer) { showLineage(w, args[0], found, rejected) }}, nil
	})
	return cmd
}

func (c *cli) trace(ctx context.Context, path, subject string) (*engine.Lineage, error) {
	return either(ctx, c.locally(), path, func(p *peer) (*engine.Lineage, error) {
		found := &engine.Lineage{}
		return found, p.ask(ctx, http.MethodGet, "/api/v1/lineage?key="+url.QueryEscape(subject), nil, found)
	}, func(f *flow) (*engine.Lineage, error) {
		if !f.exists() {
			return nil, &engine.NotFoundError{What: subject}
		}
		return reading(f, func(db *statestore.DB) (*engine.Lineage, error) { return engine.StoppedLineage(db, f.plan, subject) })
	})
}

// showLineage draws the way of a row, with the dead letters of a source row: they say why something was not made of it.
func showLineage(w io.Writer, flow string, l *engine.Lineage, rejected []engine.DeadLetter) {
	fmt.Fprintf(w, "%s %s/%s\n", l.Subject.Kind, l.Subject.Name, l.Subject.Key)
	show := func(title string, nodes []engine.LineageNode) {
		if len(nodes) == 0 {
			return
		}
		fmt.Fprintf(w, "\n%s\n", title)
		var rows [][]string
		for _, n := range nodes {
			logic := n.Logic
			if len(logic) > 12 {
				logic = logic[:12]
			}
			at := n.At
			if n.Epoch == 0 {
				at = "" // a source row was not computed: it has no time here
			}
			rows = append(rows, []string{"  " + n.Kind, n.Name, n.Key, at, logic, n.Why})
		}
		table(w, rows)
	}
	show("made of", l.Upstream)
	show("made into", l.Downstream)
	for _, r := range rejected {
		fmt.Fprintf(w, "\na dead letter of %s, %s: %s\n  `freshet dlq show %s %s` has its input\n", r.Step, r.Code, oneLine(visible(r.Message)), quoted(flow), r.ID)
	}
	if l.Subject.Kind == "source" && len(l.Downstream) == 0 && len(rejected) == 0 {
		fmt.Fprintln(w, "\nnothing was made of it: every step leaves it out, or it waits")
	}
}
