package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// A target holds a source's position when everything that stems from changes up to it has been applied
// there. Rows may be on their way in three places: behind the cursor, in a call that somebody waits for, and
// in the outbox. A probe asks for the first two until nothing is left; from that epoch on only the outbox
// has to drain.

// probe follows one position of one source on its way into one target.
type probe struct {
	source int
	want   cdc.Position
	since  uint64 // the epoch that decided the last of it; 0: not yet
}

// lookEvery bounds how often the owners that wait are gone through for a probe's sake.
const lookEvery = 20 * time.Millisecond

// look moves the probes on: those of people who wait, and those by which the status knows what each target
// holds.
func (e *Engine) look() {
	if now := time.Now(); len(e.scheduler.waiting) > 1000 {
		if now.Sub(e.lookedAt) < lookEvery {
			return
		}
		e.lookedAt = now
	}
	for _, t := range e.graph.targets {
		if t.gone.Load() || t.retiring {
			continue
		}
		for i := range t.probes {
			if p := &t.probes[i]; e.holds(t, p) {
				e.reached(t, p)
			}
		}
	}
	e.awaited.check(func(w *wait) bool {
		held := true
		for k := range w.probes {
			t := e.graph.targets[k]
			if t.gone.Load() || t.retiring {
				continue // its successor is asked
			}
			held = held && e.holds(t, w.probes[k]) && !t.building.Load()
		}
		return held
	})
}

// reached notes that a target holds what its probe asked for, and sends the probe after what has come since.
func (e *Engine) reached(t *target, p *probe) {
	if t.held[p.source] != p.want {
		e.mu.Lock()
		t.held[p.source] = p.want
		e.mu.Unlock()
	}
	if now := e.cursors[p.source]; now != p.want {
		p.want, p.since = now, 0
	}
}

// holds reports whether a target holds what a probe asks for.
func (e *Engine) holds(t *target, p *probe) bool {
	if p.since == 0 {
		if p.want == "" && e.cursors[p.source] != "" {
			p.want = e.cursors[p.source]
		}
		if !e.decided(t, p) {
			return false
		}
		p.since = max(e.epoch, 1)
	}
	return e.settled(t, p.since)
}

// decided reports whether nothing up to the probe's position waits before the outbox of a target.
func (e *Engine) decided(t *target, p *probe) bool {
	source := e.plan.Sources[p.source].Source
	if !reaches(source, e.cursors[p.source], p.want) || len(e.again) > 0 || t.overflow {
		return false
	}
	for i := range e.feeders {
		f := &e.feeders[i]
		if !f.finished && (f.kind == feedDirty && f.target == t || f.kind == feedPending && f.root.source == p.source) {
			return false
		}
	}
	for k, w := range e.scheduler.waiting {
		if e.graph.roots[k.root].source == p.source && slices.Contains(e.graph.calls[k.node].targets, t) && covers(source, p.want, w.origin) {
			return false
		}
	}
	return true
}

// reaches reports whether whoever stands at a position has taken everything up to want.
func reaches(s stream.Source, at, want cdc.Position) bool {
	if p, ok := s.(stream.Partitioned); ok {
		return p.Reached(at, want)
	}
	return at >= want
}

// covers reports whether a change of some origin lies before the position want. One of unknown origin may.
func covers(s stream.Source, want, origin cdc.Position) bool {
	if p, ok := s.(stream.Partitioned); ok && origin != "" {
		return p.Covers(want, origin)
	}
	return origin <= want
}

// feeds reports whether rows of a source go into a target.
func (e *Engine) feeds(source int, t *target) bool { return feeds(t.plan, source, t.sink) }

func feeds(plan *stream.Plan, source int, sink *stream.SinkNode) bool {
	return slices.ContainsFunc(sink.From, func(from int) bool {
		return plan.Collections[plan.Collections[from].Root].Source == source
	})
}

// restoreProbes begins to follow what each target holds.
func (e *Engine) restoreProbes() {
	for _, t := range e.graph.targets {
		t.held = make([]cdc.Position, len(e.plan.Sources))
		if t.retiring {
			continue
		}
		for i := range e.plan.Sources {
			if e.feeds(i, t) {
				t.probes = append(t.probes, probe{source: i, want: e.cursors[i]})
			}
		}
	}
}

// bookHeld notes what each target holds, for a status of the stopped flow.
func (e *Engine) bookHeld() {
	for _, t := range e.graph.targets {
		for i, p := range t.held {
			if p != "" && !t.gone.Load() {
				sink := e.totals.sink(t.instance)
				if sink.Held == nil {
					sink.Held = map[string][]byte{}
				}
				sink.Held[e.plan.Sources[i].Name] = []byte(p)
			}
		}
	}
}

// sinkPosition is a position of each source that feeds a target, with nothing at or before it still on its
// way there.
func (e *Engine) sinkPosition(t *target) string {
	e.mu.RLock()
	held := slices.Clone(t.held)
	e.mu.RUnlock()
	var parts []string
	for i, n := range e.plan.Sources {
		if !t.retiring && e.feeds(i, t) {
			parts = append(parts, describe(n.Source, held[i]))
		}
	}
	return strings.Join(parts, ",")
}

// wait is somebody who wants every target of a source to hold a position.
type wait struct {
	probes map[int]*probe // by target
	done   chan struct{}
}

// waitList carries waits to the loop.
type waitList struct {
	mu  sync.Mutex
	all []*wait
}

func (l *waitList) add(w *wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, w)
}

func (l *waitList) remove(w *wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(x *wait) bool { return x == w })
}

// check takes out those for whom held reports true, and tells them.
func (l *waitList) check(held func(*wait) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(w *wait) bool {
		if !held(w) {
			return false
		}
		close(w.done)
		return true
	})
}

// PositionError says that a position cannot be waited for.
type PositionError struct {
	Source, Text string
	Err          error
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("read position %q of source %s: %v", e.Text, e.Source, e.Err)
}

// Unwrap is what is wrong with it.
func (e *PositionError) Unwrap() error { return e.Err }

var errNoPositions = errors.New("this kind of source has no positions that can be named")

// Wait returns nil when every sink that a source feeds holds all that the source had committed at a position,
// written as its status writes it: whoever reads a sink then reads their own writes. It ends with
// the error of ctx where that takes longer.
func (e *Engine) Wait(ctx context.Context, source, position string) error {
	at, want, err := named(e.plan, source, position)
	if err != nil {
		return err
	}
	w := &wait{probes: map[int]*probe{}, done: make(chan struct{})}
	for i, t := range e.graph.targets {
		if e.feeds(at, t) {
			w.probes[i] = &probe{source: at, want: want}
		}
	}
	e.awaited.add(w)
	e.wake()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		e.awaited.remove(w)
		return fmt.Errorf("wait for position %s of source %s: %w", position, source, ctx.Err())
	}
}

// named finds a source by its name, and reads a position of it.
func named(plan *stream.Plan, source, position string) (at int, want cdc.Position, err error) {
	at = slices.IndexFunc(plan.Sources, func(n *stream.SourceNode) bool { return n.Name == source })
	if at < 0 {
		names := make([]string, len(plan.Sources))
		for i, n := range plan.Sources {
			names[i] = n.Name
		}
		return at, "", &NotFoundError{What: fmt.Sprintf("a source named %q", source), Try: stream.DidYouMean("sources", source, names)}
	}
	parser, ok := plan.Sources[at].Source.(stream.Parser)
	if !ok {
		return at, "", &PositionError{Source: source, Text: position, Err: errNoPositions}
	}
	if want, err = parser.ParsePosition(position); err != nil {
		err = &PositionError{Source: source, Text: position, Err: err}
	}
	return at, want, err
}

// CheckPosition is the error of a source that is not there, or of a position that it does not know.
func CheckPosition(plan *stream.Plan, source, position string) error {
	_, _, err := named(plan, source, position)
	return err
}

// StoppedHolds says of a stopped flow, from its state, what [Engine.Wait] waits for.
func StoppedHolds(db *statestore.DB, plan *stream.Plan, source, position string) (bool, error) {
	at, want, err := named(plan, source, position)
	if err != nil {
		return false, err
	}
	var t totals
	if err := t.load(db); err != nil {
		return false, err
	}
	stored, err := loadPlan(db)
	if err != nil || stored == nil {
		return false, err
	}
	for _, n := range plan.Sinks {
		if !feeds(plan, at, n) {
			continue
		}
		if f := t.Sinks[fmt.Sprint(stored.Sinks[n.Name].Instance)]; f == nil || f.Held[source] == nil || !reaches(plan.Sources[at].Source, cdc.Position(f.Held[source]), want) {
			return false, nil
		}
	}
	return true, nil
}
