package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// unsaid is the size of a collection that nobody knows.
var unsaid = cdc.Estimate{Rows: -1, Bytes: -1}

// countRows says by collection how many rows the sources have: those that are held or, where that is not
// known yet, what the source says of its size. Collections of steps are left at zero.
func countRows(ctx context.Context, db *statestore.DB, stored *storedPlan, plan *stream.Plan) ([]cdc.Estimate, error) {
	var held totals
	if db != nil {
		if err := held.load(db); err != nil {
			return nil, err
		}
	}
	sizes := make([]cdc.Estimate, len(plan.Collections))
	place := make([]int, len(plan.Sources)) // of the next collection among its source's
	estimates := make([][]cdc.Estimate, len(plan.Sources))
	for i, c := range plan.Collections {
		if c.Source < 0 {
			continue
		}
		at := place[c.Source]
		place[c.Source]++
		if root, ran := stored.Roots[c.Name]; ran && db != nil {
			sizes[i] = cdc.Estimate{Rows: held.Rows[root.Instance], Bytes: -1}
			continue
		}
		source := plan.Sources[c.Source]
		if e, ok := source.Source.(stream.Estimator); ok && estimates[c.Source] == nil {
			var err error
			if estimates[c.Source], err = e.Estimates(ctx); err != nil {
				return nil, fmt.Errorf("estimate rows of source %s: %w", source.Name, err)
			}
		}
		sizes[i] = unsaid
		if all := estimates[c.Source]; at < len(all) {
			sizes[i] = all[at]
		}
	}
	return sizes, nil
}

// foretell fills in the sizes of what steps make of the sources' rows, as far as the steps say it.
func foretell(plan *stream.Plan, sizes []cdc.Estimate) {
	for _, s := range plan.Steps {
		in, out := sizes[s.From], plan.Collections[s.Out].Schema
		f, says := s.Bound().(stream.Foretelling)
		switch {
		case s.Caller != nil: // its rows are those that it is given, with a result more
			sizes[s.Out] = in
		case says:
			sizes[s.Out] = f.Foretell(in)
		case len(out.Key) == len(plan.Collections[s.From].Schema.Key):
			sizes[s.Out] = in
		default:
			sizes[s.Out] = unsaid
		}
	}
}

// foretell is the work of a step whose rows nobody has read yet.
func (p *StepPreview) foretell(s *stream.StepNode, in cdc.Estimate) {
	p.Rows, p.Unknown, p.About = max(in.Rows, 0), in.Rows < 0, in.Rows > 0
	if s.Caller == nil {
		return
	}
	p.Calls = p.Rows
	model, counts := s.Caller.Calls().Model.(stream.Forecasting)
	if !counts || in.Rows == 0 {
		return
	}
	p.Unpriced = true
	if f, ok := s.Caller.(stream.Foretelling); ok && in.Rows > 0 {
		if text := f.Foretell(in); text.Bytes >= 0 {
			// Of a text as long as they are on average: a longer one makes up for a shorter one.
			sent, received := model.Tokens(slices.Repeat([]byte{' '}, int(min(text.Bytes/p.Calls+1, tokensOf))))
			sent = max(sent, sent*(text.Bytes/p.Calls+1)/tokensOf)
			p.Tokens, p.Unpriced = p.Calls*(sent+received), false
			usd, least := model.Forecast(p.Calls, p.Calls*sent, p.Calls*received)
			p.USD, p.Seconds = usd, least.Seconds()
		}
	}
}

// foretell is what a new target is given of rows that nobody has read yet.
func (p *SinkPreview) foretell(s *stream.SinkNode, sizes []cdc.Estimate) {
	if p.Known || p.Change != "create" {
		return
	}
	p.Upserts, p.About = 0, true
	for _, from := range s.From {
		p.Upserts += sizes[from].Rows
		p.About = p.About && sizes[from].Rows >= 0
	}
	if !p.About {
		p.Upserts = 0
	}
}

// leaving is what becomes of the rows of a target that leaves the flow: those of an index in the state go with it, and others stay.
func leaving(db *statestore.DB, name string, instance uint32) (SinkPreview, error) {
	p := SinkPreview{Change: "drop", Statements: []string{}, Known: true}
	var held totals
	if err := held.load(db); err != nil {
		return p, err
	}
	rows := held.sink(instance).Rows
	if _, err := os.Stat(filepath.Join(db.IndexDir(name), strconv.FormatUint(uint64(instance), 10))); err == nil {
		p.Deletes = rows
	} else {
		p.Stay = rows
	}
	return p, nil
}

// tokensOf is the longest text that a model's tokens are counted of to tell those of a larger one, in bytes.
const tokensOf = 1 << 20

// MarshalJSON writes what is not known as null: a zero would say that there is nothing.
func (p StepPreview) MarshalJSON() ([]byte, error) {
	type plain StepPreview
	shown := struct {
		plain
		Rows   *int64   `json:"rows"`
		Calls  *int64   `json:"calls"`
		Tokens *int64   `json:"tokens"`
		USD    *float64 `json:"usd"`
	}{plain: plain(p), Rows: &p.Rows, Calls: &p.Calls, Tokens: &p.Tokens, USD: &p.USD}
	if p.Unknown && p.Rows == 0 {
		shown.Rows = nil
	}
	if p.Unknown && p.Asks && p.Calls == 0 {
		shown.Calls = nil
	}
	if p.Unpriced && p.Tokens == 0 {
		shown.Tokens = nil
	}
	if p.Unpriced && p.USD == 0 {
		shown.USD = nil
	}
	return json.Marshal(shown)
}
