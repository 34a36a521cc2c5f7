package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/freshet/freshet/internal/machine"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

// observed is what a running flow has done while it was watched.
type observed struct {
	Machine    string                    `json:"machine"` // of this verb; that of the flow as well, since it is asked on this machine
	Flow       string                    `json:"flow"`
	Seconds    float64                   `json:"seconds"`
	Sources    map[string]observedSource `json:"sources"`
	Steps      map[string]observedStep   `json:"steps"`
	Sinks      map[string]observedSink   `json:"sinks"`
	StateBytes int64                     `json:"state_bytes"`
	Reasons    []engine.Reason           `json:"reasons"` // what hinders the flow at the end
}

type observedSource struct {
	Changes          int64   `json:"changes"`
	ChangesPerSecond float64 `json:"changes_per_second"`
	LagSecondsMost   float64 `json:"lag_seconds_most"`
}

type observedStep struct {
	RowsPerSecond  float64 `json:"rows_per_second"`
	Calls          int64   `json:"calls"`
	CallsPerSecond float64 `json:"calls_per_second"`
	MemoHits       int64   `json:"memo_hits"`
	PendingMost    int     `json:"pending_most"`
}

type observedSink struct {
	Writes          int64              `json:"writes"` // upserts and deletes
	WritesPerSecond float64            `json:"writes_per_second"`
	OutboxMost      int                `json:"outbox_most"`
	FreshnessMS     engine.Percentiles `json:"freshness_ms"` // of its newest writes, also of some before
}

// observeBeat is how often the flow is asked while it is watched.
const observeBeat = 250 * time.Millisecond

// watching looks at a running flow, which goes on as if nobody did.
func (c *cli) watching(ctx context.Context, path string, lasting time.Duration) (*observed, error) {
	state, err := c.place(path)
	if err != nil {
		return nil, err
	}
	p, ok := findPeer(ctx, state)
	if !ok {
		return nil, newFault("flow_not_running", "start it: `freshet run <flow>`; or measure the built-in workload: `freshet bench`",
			"the flow is not running, so there is nothing to watch")
	}
	began := time.Now()
	first, err := p.standing(ctx, "/api/v1/status")
	if err != nil {
		return nil, err
	}
	c.note("%s is watched for %s", first.Flow, console.Lasting(lasting))
	o := newObserved(first.Status)
	timer := time.NewTicker(min(observeBeat, lasting))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
		}
		now, err := p.standing(ctx, "/api/v1/status")
		if err != nil {
			return nil, err
		}
		o.see(first.Status, now, time.Since(began))
		if time.Since(began) >= lasting {
			return o, nil
		}
	}
}

func newObserved(s engine.Status) *observed {
	return &observed{Machine: machine.Describe(), Flow: s.Flow, Sources: map[string]observedSource{}, Steps: map[string]observedStep{}, Sinks: map[string]observedSink{}}
}

// see holds a status against the first one.
func (o *observed) see(first engine.Status, now standing, after time.Duration) {
	o.Seconds, o.Reasons, o.StateBytes = after.Seconds(), now.Reasons, now.Store.Bytes
	rate := func(n int64) float64 { return float64(n) / o.Seconds }
	for name, s := range now.Sources {
		n := s.ChangesTotal - first.Sources[name].ChangesTotal
		o.Sources[name] = observedSource{Changes: n, ChangesPerSecond: rate(n), LagSecondsMost: max(o.Sources[name].LagSecondsMost, s.LagSeconds)}
	}
	for name, s := range now.Steps {
		was := first.Steps[name]
		n := s.CallsTotal - was.CallsTotal
		o.Steps[name] = observedStep{RowsPerSecond: rate(s.Rows - was.Rows), Calls: n, CallsPerSecond: rate(n), MemoHits: s.MemoHitsTotal - was.MemoHitsTotal,
			PendingMost: max(o.Steps[name].PendingMost, s.Pending)}
	}
	for name, s := range now.Sinks {
		was := first.Sinks[name]
		n := s.UpsertsTotal + s.DeletesTotal - was.UpsertsTotal - was.DeletesTotal
		o.Sinks[name] = observedSink{Writes: n, WritesPerSecond: rate(n), OutboxMost: max(o.Sinks[name].OutboxMost, s.Outbox), FreshnessMS: s.FreshnessMS}
	}
}

func showObserved(w io.Writer, o *observed) {
	fmt.Fprintf(w, "%s for %.1f s on %s, %s of state\n", o.Flow, o.Seconds, o.Machine, stream.Bytes(o.StateBytes))
	for _, r := range o.Reasons {
		fmt.Fprintf(w, "%s: %s\n", r.Code, oneLine(r.Message))
	}
	rows := [][]string{{"source", "changes", "changes/s", "lag at most"}}
	for _, name := range slices.Sorted(maps.Keys(o.Sources)) {
		s := o.Sources[name]
		rows = append(rows, []string{name, grouped(s.Changes), fmt.Sprintf("%.1f", s.ChangesPerSecond), fmt.Sprintf("%.1f s", s.LagSecondsMost)})
	}
	section(w, rows)
	rows = [][]string{{"step", "rows/s", "calls", "calls/s", "saved", "waiting at most"}}
	for _, name := range slices.Sorted(maps.Keys(o.Steps)) {
		s := o.Steps[name]
		rows = append(rows, []string{name, fmt.Sprintf("%.1f", s.RowsPerSecond), grouped(s.Calls), fmt.Sprintf("%.1f", s.CallsPerSecond), grouped(s.MemoHits), grouped(int64(s.PendingMost))})
	}
	section(w, rows)
	rows = [][]string{{"sink", "writes", "writes/s", "waiting at most", "fresh within (p50, p99)"}}
	for _, name := range slices.Sorted(maps.Keys(o.Sinks)) {
		s := o.Sinks[name]
		rows = append(rows, []string{name, grouped(s.Writes), fmt.Sprintf("%.1f", s.WritesPerSecond), grouped(int64(s.OutboxMost)),
			fmt.Sprintf("%.0f ms, %.0f ms", s.FreshnessMS.P50, s.FreshnessMS.P99)})
	}
	section(w, rows)
}
