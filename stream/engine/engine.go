package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	// target serve under its old description until its successor is complete. The engine closes the models
	// of such a plan when the target has gone, as Close does those of its own plan.
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
	table      *rowTable
	keyed      []byte // the key of the task that is looked for
	room       int64  // bytes of input that the next epoch takes
	large      bool   // the epoch before has made more than an epoch is to make
	scheduler  *scheduler
	epoch      uint64
	cursors    []cdc.Position
	accepts    map[string]bool // sources whose guarded deletes a person has accepted
	totals     totals
	began      totals // as they were at the start of the run
	diskAt     time.Time
	sweptAt    time.Time
	worked     time.Time          // when the newest epoch was made
	sweepFrom  stream.Fingerprint // where the sweep goes on; zero: none is under way
	diskFull   bool
	open       []openTxn   // by source: the beginning of a transaction that is not complete
	lastSpill  storedSpill // as the start found it
	spill      *spillRun   // a large transaction that is evaluated in slices
	again      []*task
	orphans    []orphan
	feeders    []feeder
	planDirty  bool
	anew       string // source that a person wants read again by the next run; empty: none
	undropped  int    // replaced instances whose targets could not be removed
	evaluators []*evaluator
	brought    []brought // by the evaluators of the epoch before
	flying     *inFlight // nil: the newest epoch is durable and handed over

	wakeup   chan struct{}
	answered answerQueue
	awaited  waitList
	lookedAt time.Time // by the loop, for probes
	requests requestQueue

	mu     sync.RWMutex // guards view
	view   view
	ready  atomic.Bool
	paused atomic.Bool // nothing is taken in from sources; set by the loop
	events *broadcaster
	taps   taps
}

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
	e := &Engine{plan: plan, db: db, o: o, log: o.Logger, budget: budgetOf(plan.Limits.MemoryBytes), room: roomLeast, scheduler: newScheduler(),
		wakeup: make(chan struct{}, 1), epoch: db.DurableEpoch(), events: newBroadcaster(), taps: taps{all: map[*tap]struct{}{}}}
	if o.OutboxBytes > 0 {
		e.budget.outbox = o.OutboxBytes
	}
	e.credits = backpressure.NewPool(backpressure.Amount{Bytes: e.budget.calls})
	e.sweptAt = time.Now()
	e.table = newRowTable(e.budget.table)
	var err error
	if e.memo, err = newAnswers(db.Memo, e.budget.known); err != nil {
		return nil, err
	}
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
	e.planDirty = changed || next.learned(stored)
	if err := e.build(ctx, next); err != nil {
		return nil, errors.Join(err, e.closeTargets())
	}
	if err := e.restore(); err != nil {
		return nil, errors.Join(err, e.closeTargets())
	}
	for _, s := range plan.Sources {
		e.inlets = append(e.inlets, newInlet(s.Name, max(e.budget.inlets/int64(len(plan.Sources)), 64<<10), e.wake, e.log))
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

// BelongsTo makes sure that a state is one of that flow; one that has never been run is anybody's.
func BelongsTo(db *statestore.DB, flow string) error {
	stored, err := loadPlan(db)
	if err == nil && stored != nil && stored.Flow != flow {
		err = &OtherFlowError{Want: flow, Found: stored.Flow}
	}
	return err
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

// StateOf is the identity of a state; empty where it has never been run.
func StateOf(db *statestore.DB) (string, error) {
	value, _, err := db.State.Get(metaKey("state"))
	return string(value), err
}

// Close closes the targets, and lets go what questions outside of a Run have opened: of the models of the plan
// those are closed that have a method Close() error. Nobody searches any more when it is called. The state stays open; it
// belongs to the caller.
func (e *Engine) Close() error { return errors.Join(e.closeTargets(), closeModels(e.plan)) }

// wake tells the loop that there may be work. It never blocks.
func (e *Engine) wake() {
	select {
	case e.wakeup <- struct{}{}:
	default:
	}
}
