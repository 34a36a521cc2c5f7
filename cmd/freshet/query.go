package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) queryVerb() *cobra.Command {
	var q api.Question
	cmd := &cobra.Command{
		Use:   "query FLOW TEXT",
		Short: "Search the vector sink of a flow with the flow's own embedder",
		Example: `  freshet query flow.yaml "how do I rotate credentials"
  freshet query flow.yaml backups -k 20 --where 'row.path.startsWith("guide/")'`,
		Args: takes("flow file", "text"),
	}
	cmd.Flags().IntVarP(&q.K, "k", "k", 5, "rows wanted")
	cmd.Flags().StringVar(&q.Where, "where", "", "a CEL condition over the columns of the sink, as row.<column>")
	cmd.Flags().StringVar(&q.Sink, "sink", "", "the sink to search, where the flow has several")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		q.Text = args[1]
		if q.K < 1 {
			return result{}, usage("ask for one row or more", "-k is %d", q.K)
		}
		found, err := c.find(cmd.Context(), args[0], q)
		if err != nil {
			return result{}, err
		}
		return result{data: found, text: func(w io.Writer) { showHits(w, found) }}, nil
	})
	return cmd
}

// searchTime bounds a search from the command line, the model's time included.
const searchTime = 30 * time.Second

func (c *cli) find(ctx context.Context, path string, q api.Question) (*api.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	return either(ctx, c, path, func(p *peer) (*api.Answer, error) {
		found := &api.Answer{}
		return found, p.ask(ctx, http.MethodPost, "/api/v1/search", q, found)
	}, func(f *flow) (*api.Answer, error) {
		if !f.exists() {
			c.note("the flow has not run yet: its index is empty")
			return &api.Answer{Hits: []api.Hit{}}, nil
		}
		f.plan = searchedOnly(f.plan)
		if err := f.stillSearched(ctx); err != nil {
			return nil, err
		}
		s, err := f.begin(ctx, engine.Options{})
		if err != nil {
			return nil, err
		}
		found, err := api.Find(ctx, s.engine, q)
		if err = errors.Join(err, s.end()); err != nil {
			return nil, err
		}
		return found, nil
	})
}

// stillSearched refuses a flow file that would make something else of what is searched. Opening it would alter tables and ask a
// new model about the vectors of the old one; that is for a run, and a search changes nothing. With a successor (swap) the old
// index stays as it is, and answers by its own logic.
func (f *flow) stillSearched(ctx context.Context) error {
	next, err := reading(f, func(db *statestore.DB) (*engine.Preview, error) { return engine.StoppedPreview(ctx, db, f.plan) })
	if err != nil {
		return err
	}
	var changes []string
	for _, name := range slices.Sorted(maps.Keys(next.Sinks)) {
		if s := next.Sinks[name]; s.Change == "alter" || s.Change == "drop" || s.Anew {
			changes = append(changes, fmt.Sprintf("sink %s (%s)", name, s.Change))
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return newFault("flow_changed", "`freshet run <flow>` brings it up to the file and `freshet plan <flow>` tells what that does; or put back the file that ran",
		"the flow file has changed since it ran, and a search changes nothing: %s", strings.Join(changes, ", "))
}

// searchedOnly is a plan for a search in a stopped flow: sinks that cannot be searched are left as they are.
func searchedOnly(plan *stream.Plan) *stream.Plan {
	p := *plan
	p.Sinks = slices.Clone(plan.Sinks)
	for i, n := range p.Sinks {
		if _, ok := n.Sink.(*vector.Sink); ok {
			continue
		}
		if s, ok := n.Sink.(interface{ Searchable() bool }); ok && s.Searchable() {
			continue
		}
		kept := *n
		kept.Sink = untouched{n.Sink}
		p.Sinks[i] = &kept
	}
	return &p
}

// untouched is a sink that is not opened. It says of itself what the state says of it, so that nothing is
// to be done.
type untouched struct{ stream.Sink }

func (untouched) Open(_ context.Context, t stream.Target) (stream.Writer, error) {
	return closedWriter{stream.Progress{Generation: t.Generation, Epoch: t.Epoch}}, nil
}

type closedWriter struct{ progress stream.Progress }

func (w closedWriter) Progress() stream.Progress { return w.progress }
func (closedWriter) Close() error                { return nil }

func (closedWriter) Apply(context.Context, *stream.Txn) error {
	return errors.New("write to a sink that was not opened")
}

// snippetSize is how much of a row's text a line shows, in characters.
const snippetSize = 90

func showHits(w io.Writer, a *api.Answer) {
	if len(a.Hits) == 0 {
		fmt.Fprintln(w, "nothing found")
		return
	}
	rows := [][]string{{"score", "key", "text"}}
	for _, h := range a.Hits {
		key, text, err := console.Brief(h.Row, snippetSize)
		if err != nil {
			text = string(h.Row) // as it came
		}
		rows = append(rows, []string{fmt.Sprintf("%.3f", h.Score), key, text})
	}
	table(w, rows)
}
