package engine

import (
	"slices"
	"time"

	"github.com/freshet/freshet/stream"
)

// filling is how far the stored rows of a source collection are evaluated under new logic.
type filling struct {
	root   string
	source int
	rows   int64 // looked at, by all runs
	of     int64 // rows that the source holds
	rate   float64
}

// fillings lists the backfills that are under way.
func (e *Engine) fillings() []filling {
	var all []filling
	for i := range e.feeders {
		f := &e.feeders[i]
		if f.finished || f.kind != feedBackfill {
			continue
		}
		x := filling{root: f.root.name, source: f.root.source, rows: f.fed, of: e.totals.Rows[f.root.instance]}
		if seconds := time.Since(f.began).Seconds(); !f.began.IsZero() && seconds > 0 {
			x.rate = float64(f.fed-f.before) / seconds
		}
		all = append(all, x)
	}
	return all
}

// reading words it as the reading of a source.
func (f *filling) reading() *Reading {
	r := &Reading{Collection: f.root, Rows: f.rows, RowsPerSecond: f.rate}
	if f.of > 0 {
		r.Done = min(1, float64(f.rows)/float64(f.of))
	}
	if f.rate > 0 {
		r.ETASeconds = float64(max(0, f.of-f.rows)) / f.rate
	}
	return r
}

// stored says what the state knows of a source: its rows, and how far they are evaluated.
func (s *SourceStatus) stored(v *view, roots []*root, at int) {
	for _, r := range roots {
		s.Rows += v.totals.Rows[r.instance]
		s.DLQ += v.totals.Letters[r.instance]
	}
	if i := slices.IndexFunc(v.fillings, func(f filling) bool { return f.source == at }); i >= 0 {
		s.Backfill = v.fillings[i].reading()
	}
}

// held says of a stopped flow's source what the state knows of it.
func (s *SourceStatus) held(t *totals, stored *storedPlan, n *stream.SourceNode, plan *stream.Plan) {
	for _, c := range plan.Collections {
		if c.Source >= 0 && plan.Sources[c.Source] == n {
			if r, ok := stored.Roots[c.Name]; ok {
				s.Rows += t.Rows[r.Instance]
				s.DLQ += t.Letters[r.Instance]
			}
		}
	}
}
