package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// Options say how a plan is run.
type Options struct {
	// Once ends the run when everything that the sources held at its start is applied.
	Once bool
	// Text describes the flow without secrets; Restore makes a plan of such a text again. They let a
	// target serve under its old description until its successor is complete.
	Text    string
	Restore func(ctx context.Context, text string) (*stream.Plan, error)
	Logger  *slog.Logger
	// Metrics receives what happens; nil: nobody counts.
	Metrics *Metrics
	// DrainTimeout bounds the wait for calls in flight at the end; default 10 s.
	DrainTimeout time.Duration
	// SweepEvery and SweepGrace say how often the memo is swept of results that nothing refers to, and how
	// long these stay; defaults 1 h and 7 days.
	SweepEvery, SweepGrace time.Duration
	// OutboxBytes is what may wait for one sink before its changes are put off; default half of the
	// flow's memory, at least 16 MiB. The outbox lies on disk.
	OutboxBytes int64
	// Crash is called at every durable step with its name; tests end the process there.
	Crash func(point string)
}

// Engine runs one plan over one state. Open, Run once, Close; the other methods may be called while it
// runs or, after Open, without a run.
type Engine struct {
	plan *stream.Plan
	db   *statestore.DB
	o    Options
	log  *slog.Logger

	state    string // identity of the state directory
	graph    *graph
	memo     *answers
	budget   budget
	inlets   []*inlet
	confirms []*confirmation // by source; nil where it wants to know nothing
	models   []*modelRun
	credits  *backpressure.Pool // of calls that are not answered, by step

	// The loop's own; nobody else touches them while Run runs.
	table     *rowTable
	scheduler *scheduler
	epoch     uint64
	cursors   []cdc.Position
	accepts   map[string]bool // sources whose guarded deletes a person has accepted
	totals    totals
	began     totals // as they were at the start of the run
	diskAt    time.Time
	sweptAt   time.Time
	sweepFrom stream.Fingerprint // where the sweep goes on; zero: none is under way
	diskFull  bool
	open      []openTxn   // by source: the beginning of a transaction that is not complete
	lastStage storedStage // as the start found it
	stage     *stageRun   // a large transaction that is evaluated in slices
	again     []*task
	orphans   []orphan
	feeders   []feeder
	planDirty bool
	undropped int // replaced instances whose targets could not be removed
	workers   []*worker

	wakeup   chan struct{}
	answered answerQueue
	awaited  waitList
	lookedAt time.Time // by the loop, for probes
	requests requestQueue

	mu     sync.RWMutex // guards view
	view   view
	ready  atomic.Bool
	events *broadcaster
	taps   taps
}

// budget divides limits.memory among the parts of the engine, in bytes (I9).
type budget struct {
	store, inlets, calls, table, known, epoch, apply, txn, outbox int64
}

func budgetOf(memory int64) budget {
	return budget{store: memory / 4, inlets: memory / 32, calls: memory / 8, table: memory / 16, known: memory / 16,
		epoch: min(max(memory/64, 256<<10), 16<<20), apply: min(max(memory/64, 256<<10), 8<<20),
		txn: min(max(memory/16, 1<<20), 32<<20), outbox: max(memory/2, 16<<20)}
}

// StoreBytes is the part of a flow's memory that the state store may use.
func StoreBytes(l stream.Limits) int64 { return budgetOf(l.MemoryBytes).store }

// Open prepares a run: it finds out what has changed since the last one, opens the targets and fences
// their generation. The state must not be used by anything else until Close. Nothing is read from a
// source and nothing is written to a target before Run.
func Open(ctx context.Context, plan *stream.Plan, db *statestore.DB, o Options) (*Engine, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Crash == nil {
		o.Crash = func(string) {}
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 10 * time.Second
	}
	if o.SweepEvery == 0 {
		o.SweepEvery = sweepEvery
	}
	if o.SweepGrace == 0 {
		o.SweepGrace = sweepGrace
	}
	e := &Engine{plan: plan, db: db, o: o, log: o.Logger, budget: budgetOf(plan.Limits.MemoryBytes), scheduler: newScheduler(),
		wakeup: make(chan struct{}, 1), epoch: db.DurableEpoch(), events: newBroadcaster(), taps: taps{all: map[*tap]struct{}{}}}
	if o.OutboxBytes > 0 {
		e.budget.outbox = o.OutboxBytes
	}
	e.credits = backpressure.NewPool(backpressure.Amount{Bytes: e.budget.calls})
	e.sweptAt = time.Now()
	e.table = newRowTable(e.budget.table)
	e.memo = newAnswers(db.Memo, e.budget.known)
	if err := e.identify(); err != nil {
		return nil, err
	}
	stored, err := loadPlan(db)
	if err != nil {
		return nil, err
	}
	if stored != nil && stored.Flow != plan.Flow {
		return nil, &OtherFlowError{Want: plan.Flow, Found: stored.Flow}
	}
	if stored == nil {
		stored = &storedPlan{Flow: plan.Flow}
		if stored.Next, err = loadInstances(db); err != nil {
			return nil, err
		}
	}
	next, changed := migrate(stored, plan, o.Text)
	if again, err := takeBack(db, stored, next, plan); err != nil {
		return nil, err
	} else if again {
		next, changed = migrate(stored, plan, o.Text)
	}
	e.planDirty = changed
	if err := e.build(ctx, next); err != nil {
		return nil, errors.Join(err, e.closeTargets())
	}
	if err := e.restore(); err != nil {
		return nil, errors.Join(err, e.closeTargets())
	}
	for range plan.Sources {
		e.inlets = append(e.inlets, newInlet(max(e.budget.inlets/int64(len(plan.Sources)), 64<<10), e.wake))
	}
	e.view = view{epoch: e.epoch, totals: e.totals.clone(), cursors: slices.Clone(e.cursors), pending: make([]int, len(e.graph.calls))}
	return e, nil
}

// OtherFlowError says that a state belongs to another flow.
type OtherFlowError struct{ Want, Found string }

func (e *OtherFlowError) Error() string {
	return fmt.Sprintf("open state: it belongs to the flow %q, not to %q", e.Found, e.Want)
}

// Hint says what a user can do.
func (e *OtherFlowError) Hint() string {
	return "give this flow a state of its own with --state, or rename the flow back"
}

// identify reads the identity of the state, or makes it once. A copy of a state has the same one; what
// tells them apart is the generation that a target fences.
func (e *Engine) identify() error {
	value, ok, err := e.db.State.Get(metaKey("state"))
	if err != nil {
		return err
	}
	if !ok {
		id := make([]byte, 8)
		_, _ = rand.Read(id)
		value = []byte(hex.EncodeToString(id))
		b := e.db.State.NewBatch()
		b.Put(metaKey("state"), value)
		b.Put(metaKey("flow"), []byte(e.plan.Flow))
		if err := e.db.State.Commit(b, true); err != nil {
			return err
		}
	}
	e.state = string(value)
	return nil
}

// build makes the graph and opens its targets. A target that has lost rows gets a new instance, and
// everything is written to it again (I10).
func (e *Engine) build(ctx context.Context, next *storedPlan) error {
	if err := next.reserve(e.db); err != nil {
		return err
	}
	e.graph = buildGraph(e.plan, next)
	if err := e.addRetiring(ctx); err != nil {
		return err
	}
	wiped := false
	for _, t := range e.graph.targets {
		lost, err := e.openTarget(ctx, t)
		if err != nil {
			return err
		}
		if t.delivery.writer.Progress().Foreign && !t.retiring {
			s := next.Sinks[t.name]
			s.Reconcile = true
			next.Sinks[t.name] = s
			e.planDirty = true
		}
		if lost {
			wiped = true
			e.log.Warn("sink has lost rows: all are written again", "sink", t.name)
			s := next.Sinks[t.name]
			next.drop(t.name, s.Instance)
			s.Instance, s.Reconcile = next.instance(), true
			next.Sinks[t.name] = s
			for _, from := range t.sink.From {
				name := e.plan.Collections[e.plan.Collections[from].Root].Name
				r := next.Roots[name]
				if r.Backfill == "" {
					r.Backfill = backfillScan
					if !r.Retained {
						r.Backfill = backfillRescan
					}
				}
				next.Roots[name] = r
			}
		}
	}
	if !wiped {
		return nil
	}
	if err := e.closeTargets(); err != nil {
		return err
	}
	next.Number++
	e.planDirty = true
	return e.build(ctx, next)
}

// addRetiring adds the targets that serve until their successors are complete.
func (e *Engine) addRetiring(ctx context.Context) error {
	g := e.graph
	for name, st := range g.stored.Retiring {
		if e.o.Restore == nil || st.Text == "" {
			e.log.Warn("the old index cannot serve: its description is gone", "sink", name)
			continue
		}
		plan, err := e.o.Restore(ctx, st.Text)
		if err != nil {
			e.log.Warn("the old index cannot serve: its flow does not open any more", "sink", name, "err", err)
			continue
		}
		for i, s := range plan.Sinks {
			if s.Name != name {
				continue
			}
			t := &target{index: len(g.targets), sink: s, number: i, name: name, instance: st.Instance, retiring: true, plan: plan}
			t.bind()
			g.targets = append(g.targets, t)
		}
	}
	return nil
}

func appliedKey(instance uint32) []byte { return metaKey(fmt.Sprintf("applied/%d", instance)) }

// openTarget opens one target and its delivery. lost reports that the target has lost rows.
func (e *Engine) openTarget(ctx context.Context, t *target) (lost bool, err error) {
	applied, _, err := e.metaUint(appliedKey(t.instance))
	if err != nil {
		return false, err
	}
	generation, _, err := e.metaUint(metaKey(fmt.Sprintf("generation/%d", t.instance)))
	if err != nil {
		return false, err
	}
	spec := stream.Target{Flow: e.plan.Flow, Sink: t.name, Instance: t.instance, State: e.state,
		Dir: filepath.Clean(e.db.Dir()), Generation: generation, Epoch: applied, Collections: t.sink.Inputs,
		MemoryBytes: e.plan.Limits.MemoryBytes / 8, Beside: e.graph.stored.beside(t)}
	writer, err := t.sink.Sink.Open(ctx, spec)
	if err != nil {
		return false, fmt.Errorf("open sink %s: %w", t.name, err)
	}
	p := writer.Progress()
	d := &delivery{target: t, writer: writer, db: e.db, memo: e.memo, log: e.log, wake: e.wake, limit: e.budget.apply, crash: e.o.Crash,
		generation: p.Generation, applied: p.Epoch, more: make(chan struct{}, 1), latency: &latency{}}
	if e.o.Metrics != nil {
		d.observe = e.o.Metrics.freshness(t.name)
	}
	d.positions = e.positionsOf(t)
	t.delivery = d
	b := e.db.State.NewBatch()
	putUint(b, metaKey(fmt.Sprintf("generation/%d", t.instance)), p.Generation)
	if err := e.db.State.Commit(b, true); err != nil {
		return false, err
	}
	// A target that is ahead of the state has seen a future that this state has lost: it was restored from
	// an older copy.
	return p.Wiped || p.Epoch > e.epoch, nil
}

// positionsOf gives the ways in which the positions of a target's inputs are written.
func (e *Engine) positionsOf(t *target) []func(cdc.Position) string {
	var ways []func(cdc.Position) string
	for _, from := range t.sink.From {
		source := t.plan.Sources[t.plan.Collections[t.plan.Collections[from].Root].Source].Source
		ways = append(ways, func(p cdc.Position) string { return describe(source, p) })
	}
	return ways
}

// Close closes the targets. The state stays open; it belongs to the caller.
func (e *Engine) Close() error { return e.closeTargets() }

func (e *Engine) closeTargets() error {
	var faults []error
	if e.graph == nil {
		return nil
	}
	for _, t := range e.graph.targets {
		if t.delivery != nil && !t.gone {
			faults = append(faults, t.delivery.writer.Close())
			t.delivery = nil
		}
	}
	return errors.Join(faults...)
}

// wake tells the loop that there may be work. It never blocks.
func (e *Engine) wake() {
	select {
	case e.wakeup <- struct{}{}:
	default:
	}
}

// Run runs the flow until ctx ends, or with Once until it has caught up. Every goroutine that it starts
// is gone when it returns. At the end no new call is made; calls in flight are awaited and kept.
func (e *Engine) Run(ctx context.Context) error {
	g, run := errgroup.WithContext(ctx)
	stopping, stop := context.WithCancel(run)
	defer stop()
	e.confirms = make([]*confirmation, len(e.plan.Sources))
	for i, s := range e.plan.Sources {
		in := e.inlets[i]
		e.open = append(e.open, openTxn{})
		start := e.start(i)
		g.Go(func() error { return e.runSource(stopping, s, start, in) })
		if to, ok := s.Source.(stream.Confirmer); ok {
			e.confirms[i] = &confirmation{position: e.cursors[i], more: make(chan struct{}, 1)}
			g.Go(func() error { return e.confirms[i].run(stopping, s.Name, to) })
		}
	}
	models, endModels := context.WithCancel(context.WithoutCancel(ctx))
	defer endModels()
	for _, m := range e.models {
		g.Go(func() error { return m.remote.Run(models, e.answer) })
	}
	for _, t := range e.graph.targets {
		running, stop := context.WithCancel(stopping)
		t.delivery.stop = stop
		g.Go(func() error { return t.delivery.run(running) })
		if r, ok := t.delivery.writer.(stream.Runner); ok {
			g.Go(func() error { return e.runWriter(running, t, r) })
		}
	}
	g.Go(func() error {
		defer endModels()
		defer stop()
		err := e.loop(run)
		e.drain(models)
		return err
	})
	err := g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, e.settle())
}

func (e *Engine) runWriter(ctx context.Context, t *target, r stream.Runner) error {
	if err := r.Run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("run sink %s: %w", t.name, err)
	}
	return nil
}

// runSource runs one source and says when it has ended.
func (e *Engine) runSource(ctx context.Context, s *stream.SourceNode, start cdc.Start, in *inlet) error {
	if err := s.Source.Run(ctx, start, in); err != nil && ctx.Err() == nil {
		return &ReadError{Source: s.Name, Err: err}
	}
	if ctx.Err() == nil {
		in.end()
	}
	return nil
}

// ReadError says which source cannot go on.
type ReadError struct {
	Source string
	Err    error // the source's own word
}

func (e *ReadError) Error() string { return fmt.Sprintf("read source %s: %v", e.Source, e.Err) }

// Unwrap is what the source has said.
func (e *ReadError) Unwrap() error { return e.Err }

// start says where a source begins.
func (e *Engine) start(source int) cdc.Start {
	node := e.plan.Sources[source]
	start := cdc.Start{Resume: e.cursors[source], Once: e.o.Once, Columns: node.Columns,
		Ledger: &ledger{db: e.db, roots: e.graph.byPlace[source]}}
	start.AcceptDeletes = e.accepts[node.Name]
	for _, r := range e.graph.byPlace[source] {
		start.Rescan = start.Rescan || e.graph.stored.Roots[r.name].Backfill == backfillRescan
	}
	return start
}

// drain stops new calls and waits for those in flight; their results are kept (I7).
func (e *Engine) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.o.DrainTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, m := range e.models {
		wg.Go(func() {
			if err := m.remote.Queue().Drain(ctx); err != nil {
				e.log.Warn("calls in flight were given up", "model", m.name, "err", err)
			}
		})
	}
	wg.Wait()
}
