package engine

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Status is the state of a flow, running or stopped. Totals count from the creation of the state.
type Status struct {
	Flow    string                  `json:"flow"`
	State   string                  `json:"state"` // running, stopped, waiting (to begin)
	Epoch   uint64                  `json:"epoch"`
	Sources map[string]SourceStatus `json:"sources"`
	Steps   map[string]StepStatus   `json:"steps"`
	Models  map[string]ModelStatus  `json:"models"`
	Sinks   map[string]SinkStatus   `json:"sinks"`
	Store   StoreStatus             `json:"store"`

	Paused      bool  `json:"paused"`       // nothing is taken in from the sources, until somebody resumes
	DeadLetters int64 `json:"dead_letters"` // of all sources, steps and sinks
}

// SourceStatus is the state of a source.
type SourceStatus struct {
	Position     string  `json:"position"`
	LagSeconds   float64 `json:"lag_seconds"` // since the newest change read was committed, while more is queued
	ChangesTotal int64   `json:"changes_total"`
	Rows         int64   `json:"rows"` // that the source holds, as far as it has been read
	DLQ          int64   `json:"dlq"`
	State        string  `json:"state"` // catching_up, live, unavailable, stopped
	Problem      string  `json:"problem,omitempty"`
	// Backfill is how far its stored rows are evaluated under new logic; absent when all are.
	Backfill *Reading `json:"backfill,omitempty"`
	// What the source tells of itself, where it does.
	Reading       *Reading `json:"reading,omitempty"`        // how far its first rows are read
	RetainedBytes *int64   `json:"retained_bytes,omitempty"` // of log that the other side keeps for this flow
	LagBytes      *int64   `json:"lag_bytes,omitempty"`      // of log that the flow has not confirmed
	Pushes        *Pushes  `json:"pushes,omitempty"`
	Notices       *Notices `json:"notices,omitempty"`
}

// Notices counts what a source was told of changes since its process began.
type Notices struct {
	Taken      int64 `json:"taken"`      // keys to look at
	Repeated   int64 `json:"repeated"`   // keys that were told before
	Unreadable int64 `json:"unreadable"` // messages that are no notification
	Foreign    int64 `json:"foreign"`    // keys of another place
	Outside    int64 `json:"outside"`    // keys that the source does not read
}

// Reading is how far the rows of a source are read, from the source or from the state.
type Reading struct {
	Collection    string  `json:"collection"` // the table, or what else is being read
	Rows          int64   `json:"rows"`       // from the source: in this run
	RowsPerSecond float64 `json:"rows_per_second"`
	Done          float64 `json:"done"`        // from 0 to 1
	ETASeconds    float64 `json:"eta_seconds"` // 0: not known
}

// Pushes counts what was pushed to a source since its process began.
type Pushes struct {
	Requests   int64 `json:"requests"`    // that carried something to take
	Taken      int64 `json:"taken"`       // and are durable
	Repeated   int64 `json:"repeated"`    // of those taken: sent before by their producer
	Refused    int64 `json:"refused"`     // for what they hold or lack
	TurnedAway int64 `json:"turned_away"` // for want of room or time
}

// StepStatus is the state of a step.
type StepStatus struct {
	Rows          int64 `json:"rows"`
	CallsTotal    int64 `json:"calls_total"`
	MemoHitsTotal int64 `json:"memo_hits_total"`
	Pending       int   `json:"pending"` // owners that wait for calls
	DLQ           int64 `json:"dlq"`
}

// ModelStatus is the state of a model.
type ModelStatus struct {
	Breaker      string     `json:"breaker"` // closed, half_open, open
	Limit        int        `json:"limit"`
	InFlight     int        `json:"in_flight"`
	Queued       int        `json:"queued"`
	InputTokens  int64      `json:"input_tokens_total"`
	OutputTokens int64      `json:"output_tokens_total"`
	TokensTotal  int64      `json:"tokens_total"`
	USDTotal     float64    `json:"usd_total"`
	USDToday     float64    `json:"usd_today"`             // of it since midnight UTC
	USDPerDay    *float64   `json:"usd_per_day,omitempty"` // the budget; absent where there is none
	Padding      float64    `json:"padding,omitempty"`     // tokens computed for one sent, where texts are padded to one length
	Reason       *string    `json:"reason"`
	Until        *time.Time `json:"until"`
	Message      string     `json:"message"`

	Sizes []int64 `json:"-"` // requests by how many calls they carried, for the metrics
	Sent  int64   `json:"-"` // calls in them
}

// SinkStatus is the state of a sink.
type SinkStatus struct {
	Rows         int64       `json:"rows"`
	UpsertsTotal int64       `json:"upserts_total"`
	DeletesTotal int64       `json:"deletes_total"`
	Outbox       int         `json:"outbox"` // effects that wait
	OutboxBytes  int64       `json:"outbox_bytes"`
	Position     string      `json:"position"` // everything up to it is applied
	FreshnessMS  Percentiles `json:"freshness_ms"`
	DLQ          int64       `json:"dlq"`
	Building     bool        `json:"building,omitempty"`  // a successor is being built beside it
	Successor    *Successor  `json:"successor,omitempty"` // how far that is
	Coarse       bool        `json:"coarse,omitempty"`    // it is far behind: states are skipped until it has caught up
	Problem      string      `json:"problem,omitempty"`
}

// Successor is how far the successor of a sink is built. Its logic may make more rows of a source row than the old one, or
// fewer, so that Of is a guess.
type Successor struct {
	Rows int64 `json:"rows"`
	Of   int64 `json:"of"` // rows of the sink that serves meanwhile
}

// Percentiles of the time from a source's commit to a sink's ack, in milliseconds.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// StoreStatus is the state of the state.
type StoreStatus struct {
	Bytes  int64 `json:"bytes"`
	Stalls int64 `json:"stalls_total"`
}

// Status tells how the flow does.
func (e *Engine) Status() Status {
	e.mu.RLock()
	v := e.view
	e.mu.RUnlock()
	s := newStatus(e.plan, "running", v.epoch)
	for i, n := range e.plan.Sources {
		t := v.totals.Sources[n.Name]
		src := SourceStatus{Position: describe(n.Source, v.cursors[i]), State: "catching_up"}
		if t != nil {
			src.ChangesTotal = t.Changes
		}
		src.stored(&v, e.graph.byPlace[i], i)
		e.sourceStatus(&src, e.inlets[i], t)
		if r, ok := n.Source.(stream.Reporter); ok {
			src.report(r.Report())
		}
		s.Sources[n.Name] = src
	}
	fillSteps(&s, e.plan, &v.totals, e.graph.instanceOf)
	for i, n := range e.graph.calls {
		if i < len(v.pending) {
			st := s.Steps[n.step.Name]
			st.Pending = v.pending[i]
			s.Steps[n.step.Name] = st
		}
	}
	for _, m := range e.models {
		s.Models[m.name] = modelStatus(m.remote.Queue().Health())
	}
	for _, t := range e.graph.targets {
		if t.gone.Load() {
			continue
		}
		serving := !t.building.Load()
		st := s.Sinks[t.name]
		if serving {
			st = sinkStatus(t, &v.totals)
			st.DLQ = s.Sinks[t.name].DLQ // of its successor
			st.Position = e.sinkPosition(t)
			st.Building, st.Successor = s.Sinks[t.name].Building, s.Sinks[t.name].Successor
			st.Coarse = t.index < len(v.coarse) && v.coarse[t.index]
		} else {
			st.Building, st.Successor = true, &Successor{}
			if f := v.totals.Sinks[fmt.Sprint(t.instance)]; f != nil {
				st.Successor.Rows = f.Rows
			}
		}
		st.DLQ += v.totals.Letters[t.instance]
		s.Sinks[t.name] = st
	}
	for _, st := range s.Sinks {
		if st.Successor != nil {
			st.Successor.Of = st.Rows
		}
	}
	s.Store.Bytes, s.Store.Stalls = e.storeStats()
	s.Paused = e.paused.Load()
	return s
}

func newStatus(plan *stream.Plan, state string, epoch uint64) Status {
	s := Status{Flow: plan.Flow, State: state, Epoch: epoch, Sources: map[string]SourceStatus{}, Steps: map[string]StepStatus{},
		Models: map[string]ModelStatus{}, Sinks: map[string]SinkStatus{}}
	for _, m := range plan.Models() {
		s.Models[m.Name()] = ModelStatus{Breaker: "closed"}
	}
	return s
}

func (e *Engine) sourceStatus(s *SourceStatus, in *inlet, t *sourceTotals) {
	if caught, _ := in.caught(); caught {
		s.State = "live"
	}
	if err := in.hindrance(); err != nil {
		s.State, s.Problem = "unavailable", err.Error()
	}
	if t != nil && t.Last > 0 && in.queued() > 0 {
		s.LagSeconds = max(0, time.Since(time.UnixMicro(t.Last)).Seconds())
	}
}

// report is what a source tells of itself.
func (s *SourceStatus) report(r cdc.Report) {
	if p := r.Reading; p != nil {
		s.Reading = &Reading{Collection: p.Collection, Rows: p.Rows, RowsPerSecond: p.RowsPerSecond, Done: p.Done, ETASeconds: p.Left.Seconds()}
	}
	if r.RetainedBytes >= 0 {
		s.RetainedBytes = &r.RetainedBytes
	}
	if r.LagBytes >= 0 {
		s.LagBytes = &r.LagBytes
	}
	if r.Pushes != nil {
		pushes := Pushes(*r.Pushes)
		s.Pushes = &pushes
	}
	if r.Notices != nil {
		notices := Notices(*r.Notices)
		s.Notices = &notices
	}
}

func fillSteps(s *Status, plan *stream.Plan, t *totals, instanceOf func(step int) uint32) {
	for i, n := range plan.Steps {
		if n.Hidden {
			continue
		}
		st := StepStatus{DLQ: t.Letters[instanceOf(i)]}
		if f := t.Steps[n.Name]; f != nil {
			st.Rows, st.CallsTotal, st.MemoHitsTotal = f.Rows, f.Calls, f.Hits
		}
		s.Steps[n.Name] = st
	}
	s.DeadLetters = t.letters()
}

func modelStatus(h stream.ModelHealth) ModelStatus {
	m := ModelStatus{Breaker: h.Breaker, Limit: h.Limit, InFlight: h.InFlight, Queued: h.Queued,
		InputTokens: h.InputTokens, OutputTokens: h.OutputTokens, TokensTotal: h.InputTokens + h.OutputTokens,
		USDTotal: h.USD, USDToday: h.USDToday, USDPerDay: h.USDPerDay, Padding: h.Padding, Message: h.Message,
		Sizes: h.Sizes, Sent: h.Sent}
	if m.Breaker == "" {
		m.Breaker = "closed"
	}
	if !h.Available {
		m.Reason = &h.Reason
		if h.Breaker == "" && h.Reason != "retry_after" {
			m.Breaker = "open"
		}
		if !h.Until.IsZero() {
			until := h.Until.UTC()
			m.Until = &until
		}
	}
	return m
}

func sinkStatus(t *target, v *totals) SinkStatus {
	st := SinkStatus{}
	if f := v.Sinks[fmt.Sprint(t.instance)]; f != nil {
		st.Rows, st.UpsertsTotal, st.DeletesTotal = f.Rows, f.Upserts, f.Deletes
	}
	d := t.delivery
	st.OutboxBytes, st.Outbox = d.queued()
	if c, ok := d.writer.(stream.Counter); ok {
		st.Rows = c.Rows()
	}
	if err, _ := d.hindrance(); err != nil {
		st.Problem = complaint(err)
	}
	st.FreshnessMS = d.latency.percentiles()
	return st
}

func describe(s stream.Source, p cdc.Position) string {
	if p == "" {
		return ""
	}
	if d, ok := s.(stream.Describer); ok {
		return d.Describe(p)
	}
	return hex.EncodeToString([]byte(p))
}

func (l *latency) percentiles() Percentiles {
	l.mu.Lock()
	n := min(l.n, len(l.ring))
	times := slices.Clone(l.ring[:n])
	l.mu.Unlock()
	if n == 0 {
		return Percentiles{}
	}
	slices.Sort(times)
	return Percentiles{P50: float64(times[n/2]) / 1e3, P99: float64(times[min(n-1, n*99/100)]) / 1e3}
}

func (t *totals) encode() ([]byte, error) {
	value, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("write totals: %w", err)
	}
	return value, nil
}
