package engine

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// countUnread says by collection how many rows a first read that was broken off has left, by what the sources say of their size;
// nil where every first read is done. Collections that have never run are no part of it.
func countUnread(ctx context.Context, db *statestore.DB, stored *storedPlan, plan *stream.Plan, held []cdc.Estimate) ([]cdc.Estimate, error) {
	if db == nil {
		return nil, nil
	}
	var left []cdc.Estimate
	for _, n := range plan.Sources {
		sizes, ok := n.Source.(stream.Estimator)
		if !ok {
			continue
		}
		broken, err := brokenOff(db, n)
		if err != nil {
			return nil, err
		}
		if !broken {
			continue
		}
		all, err := sizes.Estimates(ctx)
		if err != nil {
			return nil, fmt.Errorf("estimate rows of source %s: %w", n.Name, err)
		}
		if left == nil {
			left = make([]cdc.Estimate, len(plan.Collections))
		}
		for at, c := range n.Collections {
			if _, ran := stored.Roots[plan.Collections[c].Name]; ran && at < len(all) {
				left[c] = without(all[at], held[c].Rows)
			}
		}
	}
	return left, nil
}

// brokenOff reports whether the first read of a source has not come to its end.
func brokenOff(db *statestore.DB, n *stream.SourceNode) (bool, error) {
	cursor, _, err := db.State.Get(metaKey("cursor/" + n.Name))
	if err != nil || len(cursor) == 0 {
		return err == nil, err
	}
	if s, ok := n.Source.(stream.Unfinished); ok {
		return s.Unfinished(cdc.Position(cursor))
	}
	return false, nil
}

// without is an estimate less rows of average length that are held.
func without(e cdc.Estimate, held int64) cdc.Estimate {
	if e.Rows < 0 {
		return e
	}
	rest := cdc.Estimate{Rows: max(0, e.Rows-held), Bytes: e.Bytes}
	if e.Bytes > 0 && e.Rows > 0 {
		rest.Bytes = int64(float64(e.Bytes) * float64(rest.Rows) / float64(e.Rows))
	}
	return rest
}

// unread adds what comes of rows that the first read has left.
func (p *Preview) unread(plan *stream.Plan, left []cdc.Estimate) {
	if left == nil {
		return
	}
	foretell(plan, left)
	p.Exact = false
	for _, s := range plan.Steps {
		if s.Hidden {
			continue
		}
		var rest StepPreview
		rest.foretell(s, left[s.From])
		step := p.Steps[s.Name]
		step.add(&rest)
		p.Steps[s.Name] = step
		p.Total.add(&rest)
	}
	for _, s := range plan.Sinks {
		change := p.Sinks[s.Name]
		for _, from := range s.From {
			change.Known = change.Known && left[from].Rows == 0
			change.About = change.About || left[from].Rows > 0
			change.Upserts += max(0, left[from].Rows)
		}
		p.Sinks[s.Name] = change
	}
}
