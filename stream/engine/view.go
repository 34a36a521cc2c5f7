package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// view is what the loop shows of itself after every epoch.
type view struct {
	epoch     uint64
	totals    totals
	cursors   []cdc.Position
	pending   []int // owners that wait, by expensive step
	backfills int
	fillings  []filling
	building  bool
	coarse    []bool // by target
	again     int
	diskFull  bool
	diskFree  int64
}

// viewOf is the view after an epoch. The copy is small: a few numbers a node.
func (e *Engine) viewOf() view {
	v := view{epoch: e.epoch, cursors: slices.Clone(e.cursors), again: len(e.again), fillings: e.fillings()}
	v.totals = e.totals.clone()
	v.pending = make([]int, len(e.graph.calls))
	for node, n := range e.scheduler.owners {
		v.pending[node] = n
	}
	for i := range e.feeders {
		if !e.feeders[i].finished && e.feeders[i].kind != feedPending && e.feeders[i].kind != feedDirty {
			v.backfills++
		}
	}
	v.coarse = make([]bool, len(e.graph.targets))
	for i, t := range e.graph.targets {
		v.building = v.building || t.building.Load()
		v.coarse[i] = t.overflow
	}
	return v
}

// publish shows an epoch to whoever looks.
func (e *Engine) publish(f *inFlight) {
	e.mu.Lock()
	f.view.diskFull, f.view.diskFree = e.view.diskFull, e.view.diskFree
	e.view = f.view
	e.mu.Unlock()
	e.events.add(f.view.epoch, f.changes)
	e.taps.publish(f.view.epoch, f.tapped)
	e.o.Metrics.epoch(time.Since(f.began).Seconds())
}

func (t *totals) clone() totals {
	c := totals{Letters: maps.Clone(t.Letters), Rows: maps.Clone(t.Rows), Sources: make(map[string]*sourceTotals, len(t.Sources)),
		Steps: make(map[string]*stepTotals, len(t.Steps)), Sinks: make(map[string]*sinkTotals, len(t.Sinks))}
	for k, s := range t.Sources {
		copied := *s
		copied.ByOp = maps.Clone(s.ByOp)
		c.Sources[k] = &copied
	}
	for k, s := range t.Steps {
		copied := *s
		c.Steps[k] = &copied
	}
	for k, s := range t.Sinks {
		copied := *s
		c.Sinks[k] = &copied
	}
	return c
}

// ErrDiskFull ends a run with Once where the floor of free space is reached.
var ErrDiskFull = errors.New("the disk has less free space than limits.disk_free")

// checkDisk stops the intake below the floor of free space and resumes it by itself.
func (e *Engine) checkDisk() (full bool, err error) {
	now := time.Now()
	if now.Sub(e.diskAt) < tick {
		return e.diskFull, nil
	}
	e.diskAt = now
	free, ok, err := e.db.CheckDisk()
	if err != nil {
		e.log.Warn("free space is unknown", "err", err)
		return e.diskFull, nil
	}
	if !ok != e.diskFull {
		if ok {
			e.log.Info("there is space on the disk again", "free", stream.Bytes(free))
		} else {
			e.log.Warn("the disk is full for this flow: nothing is taken in", "free", stream.Bytes(free), "limits.disk_free", stream.Bytes(e.plan.Limits.DiskFree))
		}
	}
	e.diskFull = !ok
	e.mu.Lock()
	e.view.diskFull, e.view.diskFree = e.diskFull, free
	e.mu.Unlock()
	if e.diskFull && e.o.Once {
		return true, fmt.Errorf("%w: %s are free, it asks for %s", ErrDiskFull, stream.Bytes(free), stream.Bytes(e.plan.Limits.DiskFree))
	}
	return e.diskFull, nil
}

// ModelError ends a run with Once that a model will not let end by itself.
type ModelError struct {
	Model  string
	Step   string // the first that asks it
	Health stream.ModelHealth
}

func (e *ModelError) Error() string {
	return "model " + e.Model + " does not answer: " + e.Health.Message
}

// asking names the first step that asks a model.
func (e *Engine) asking(m *modelRun) string {
	for _, n := range e.graph.calls {
		if n.model == m {
			return n.step.Name
		}
	}
	return ""
}

// finished reports whether the loop has nothing left to do: then a service is ready, and a run with Once
// ends.
func (e *Engine) finished(ctx context.Context) (bool, error) {
	quiet := len(e.again) == 0 && len(e.scheduler.waiting) == 0 && e.spill == nil
	for i := range e.feeders {
		quiet = quiet && e.feeders[i].finished
	}
	ended := true
	for i, in := range e.inlets {
		caught, done := in.caught()
		quiet = quiet && caught && e.open[i].empty()
		ended = ended && done
	}
	for _, t := range e.graph.targets {
		quiet = quiet && (t.gone.Load() || t.delivery.idle() && !t.building.Load() && !t.overflow)
	}
	if quiet {
		if err := e.reconcile(ctx); err != nil {
			return false, err
		}
		if quiet = !e.planDirty; quiet {
			e.ready.Store(true)
		} else {
			e.wake() // what has to go is committed first
		}
	}
	if err := e.sweep(ctx, quiet); err != nil {
		return false, err
	}
	if !e.o.Once {
		return false, nil
	}
	if quiet && ended && e.answered.empty() {
		return true, e.unread()
	}
	for _, m := range e.models {
		if h := m.remote.Queue().Health(); h.Hard && !h.Available && e.onlyCallsLeft() {
			return false, &ModelError{Model: m.name, Step: e.asking(m), Health: h}
		}
	}
	return false, e.stuck()
}

// stuckAfter is how long a sink complains, and nothing else happens, before a run with Once gives up.
const stuckAfter = 5 * time.Second

// stuck is what a sink complains of that waiting does not end, once everything else has been done: a run with Once would wait
// for a person for ever.
func (e *Engine) stuck() error {
	if len(e.scheduler.waiting) > 0 || time.Since(e.worked) < stuckAfter {
		return nil
	}
	for _, t := range e.graph.targets {
		if t.gone.Load() {
			continue
		}
		if err, since := t.delivery.hindrance(); personal(err) != nil && time.Since(since) >= stuckAfter {
			return fmt.Errorf("write sink %s: %w", t.name, err)
		}
	}
	return nil
}

// unread is what a source could not read although it has handed over all the rest: a run with Once does not
// end as if that were nothing (I10).
func (e *Engine) unread() error {
	for i, in := range e.inlets {
		if err := in.hindrance(); err != nil {
			return &ReadError{Source: e.plan.Sources[i].Name, Err: err}
		}
	}
	return nil
}

func (o *openTxn) empty() bool { return len(o.batches) == 0 && o.spill == nil && o.rest == nil }

// onlyCallsLeft reports whether everything but answers has been dealt with.
func (e *Engine) onlyCallsLeft() bool {
	for i := range e.feeders {
		if !e.feeders[i].finished {
			return e.scheduler.bytes >= e.budget.calls-e.budget.calls/4
		}
	}
	for _, in := range e.inlets {
		if _, done := in.caught(); !done {
			return e.scheduler.bytes >= e.budget.calls
		}
	}
	return len(e.again) == 0
}

func (q *answerQueue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue) == 0
}

// settle ends a run: what has been delivered is removed from the outbox, so that a clean start has
// nothing to repeat.
func (e *Engine) settle() error {
	g := &gathered{delivery: make([][]parcel, len(e.graph.targets))}
	for i, t := range e.graph.targets {
		if t.delivery != nil {
			g.delivery[i], _ = t.delivery.collect()
		}
	}
	b := e.db.State.NewBatch()
	e.collectDelivered(b, g)
	e.look() // twice: the first finds what is held, the second what has come since
	e.look()
	e.bookHeld()
	value, err := e.totals.encode()
	if err != nil {
		return err
	}
	b.Put(metaKey("totals"), value)
	return e.db.State.Commit(b, true)
}

// storeStats are the figures of the state and the memo together.
func (e *Engine) storeStats() (bytes, stalls int64) {
	for _, s := range []statestore.Stats{e.db.State.Stats(), e.db.Memo.Stats()} {
		bytes += s.DiskBytes
		stalls += s.Stalls
	}
	return bytes, stalls
}
