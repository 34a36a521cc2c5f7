package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) planVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan FLOW",
		Short: "Tell what the next run would do, and change nothing",
		Long: `Plan compares a flow file with what its last run has left, and evaluates the rows
that the next run would, without a call and without writing anything: which steps
are new or changed, how many calls nobody has answered yet, what they cost at most,
and what happens to each sink. Of more than 20,000 rows it takes a share. A running
flow is asked, and goes on.`,
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

func (c *cli) previewOf(ctx context.Context, path string) (*engine.Preview, error) {
	return either(ctx, c, path, func(p *peer) (*engine.Preview, error) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		found := &engine.Preview{}
		ctx, cancel := context.WithTimeout(ctx, api.PlanTime+api.AnswerTime)
		defer cancel()
		return found, p.ask(ctx, http.MethodPost, "/api/v1/plan", api.Draft{Text: string(text)}, found)
	}, func(f *flow) (*engine.Preview, error) {
		if !f.exists() {
			return engine.StoppedPreview(ctx, nil, f.plan)
		}
		return reading(f, func(db *statestore.DB) (*engine.Preview, error) { return f.preview(ctx, db) })
	})
}

// preview is what the next run of a stopped flow would do, with what its sources keep from it, or have for it beside.
func (f *flow) preview(ctx context.Context, db *statestore.DB) (*engine.Preview, error) {
	p, err := engine.StoppedPreview(ctx, db, f.plan)
	if err != nil {
		return nil, err
	}
	if err := f.resumes(ctx, db); errors.Is(err, cdc.ErrGap) {
		p.Notes = append(p.Notes, fmt.Sprintf("The next run ends before it has done any of this, with exit 10: %s. `freshet doctor` has the way on.", f.safe(err)))
	}
	p.Notes = append(p.Notes, "What has changed at the sources since the last run comes on top of these numbers.")
	return p, nil
}

// Preview says what another text of the flow file would do to the flow as it stands; without one, the file as it lies there now.
func (s *session) Preview(ctx context.Context, text string) (*engine.Preview, error) {
	if text == "" {
		now, err := os.ReadFile(s.file.Path)
		if err != nil {
			return nil, newFault("flow_unreadable", "put the flow file back in its place", "%s", err)
		}
		text = string(now)
	}
	next, err := s.parse(ctx, []byte(text))
	if err != nil {
		return nil, err
	}
	return s.engine.Preview(ctx, next.plan)
}

func showPreview(w io.Writer, p *engine.Preview) {
	rows := [][]string{{"step", "change", "rows", "calls", "answered before", "tokens", "USD", "takes"}}
	line := func(name string, s *engine.StepPreview) []string {
		cells := []string{name, s.Change, figure(s.Rows, s.About, s.Unknown), figure(s.Calls, s.About, s.Unknown && s.Asks), grouped(s.MemoHits),
			figure(s.Tokens, s.About, s.Unpriced), "-", "-"}
		switch {
		case s.USD > 0 && s.About:
			cells[6] = fmt.Sprintf("~%.4f", s.USD)
		case s.USD > 0:
			cells[6] = fmt.Sprintf("%.4f", s.USD)
		case s.Unpriced:
			cells[6] = "not known"
		}
		if s.USD > 0 && s.Unpriced {
			cells[6] += " or more"
		}
		if s.Seconds >= 1 {
			cells[7] = console.Lasting(time.Duration(s.Seconds) * time.Second)
		}
		return cells
	}
	for _, name := range slices.Sorted(maps.Keys(p.Steps)) {
		s := p.Steps[name]
		rows = append(rows, line(name, &s))
	}
	if len(p.Steps) > 1 {
		rows = append(rows, line("in all", &p.Total))
	}
	steps := rows
	rows = [][]string{{"sink", "change", "rows written", "rows removed"}}
	for _, name := range slices.Sorted(maps.Keys(p.Sinks)) {
		s := p.Sinks[name]
		upserts, deletes := grouped(s.Upserts), grouped(s.Deletes)
		switch {
		case s.Stay > 0:
			deletes += fmt.Sprintf(", %s stay", grouped(s.Stay))
		case s.About:
			upserts = figure(s.Upserts, true, false)
		case !s.Known:
			upserts, deletes = "not known", "not known"
		}
		change := s.Change
		if s.Anew {
			change = "drop and create"
		}
		rows = append(rows, []string{name, change, upserts, deletes})
	}
	if len(steps) > 1 {
		table(w, steps)
		fmt.Fprintln(w)
	}
	table(w, rows)
	if !p.Exact {
		fmt.Fprintln(w, "\n"+estimated(p))
	}
	for _, note := range p.Notes {
		fmt.Fprintln(w, "\n"+note)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Sinks)) {
		for _, statement := range p.Sinks[name].Statements {
			fmt.Fprintf(w, "\n%s;\n", statement)
		}
	}
}

// figure writes a number: about is one that is estimated, and more may be added to one that is open.
func figure(n int64, about, open bool) string {
	if open && n == 0 {
		return "not known"
	}
	said := grouped(n)
	if about && n > 0 {
		said = "~" + said
	}
	if open {
		said += " or more"
	}
	return said
}

// estimated says what a plan that is not exact is worth.
func estimated(p *engine.Preview) string {
	switch {
	case p.Total.Unknown:
		return "These are estimates: not every row is at hand, and a source or a step does not say how many it gives before it is read."
	case p.Total.Unpriced:
		return "These are estimates: not every row is at hand, and how much text is sent to a model is not known before."
	case p.Total.About:
		return "These are estimates, ~ by the size of the sources. Calls, tokens and USD are upper bounds of most texts."
	}
	return "These are estimates: not every row is at hand. Calls, tokens and USD are upper bounds."
}
