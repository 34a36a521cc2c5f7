package accel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/freshet/freshet/backpressure"
)

// BatcherOptions bounds the requests to one model. A zero field has the default named with it.
type BatcherOptions struct {
	// Governor decides when a request may leave, and how many at once; one with the defaults of its own when
	// nil. It may be shared with others who ask the same model.
	Governor *backpressure.Governor

	// Rows is the most calls in one request; 64.
	Rows int

	// Tokens is the most tokens in one request, by the answerer's estimate; 16384. A longer call goes alone.
	Tokens int

	// Padded says that the model pads every text of a request to the longest one. A request is then counted
	// as its rows times its longest text, and made of texts of like length.
	Padded bool

	// Weights are the shares of the stages that ask this model; 1 for those not named.
	Weights map[string]int

	// Timeout is how long one request may take until its reply is complete; 30 s.
	Timeout time.Duration

	// Canary asks for a fixed text now and then; the zero Canary never does.
	Canary Canary

	// Done takes the results of a reply as soon as it is complete, also while Drain waits and after
	// the context of Run has ended. It is required, called by several goroutines at once, and may
	// block: when as many are being taken as requests may be in flight, no more are sent, so that a process that dies has few
	// paid results which nobody has kept (I7). It must return when its consumer has ended, because Run waits for it. The slice
	// belongs to the receiver.
	Done func([]Result)

	// Logger is told when the model becomes unavailable and when it answers again; nil is silence.
	Logger *slog.Logger
}

func (o BatcherOptions) withDefaults() BatcherOptions {
	if o.Rows <= 0 {
		o.Rows = 64
	}
	if o.Tokens <= 0 {
		o.Tokens = 16384
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Governor == nil {
		o.Governor = backpressure.New(backpressure.Options{Deadline: o.Timeout})
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Batcher coalesces calls into requests for one model, asks its governor when they may leave, lets calls
// wait while the model is out, and separates a rejected text from its siblings.
//
// A free slot sends what there is at once; while all slots are busy the next requests fill. So there
// is no timer on the way of a lone call, and no half-empty request under load.
type Batcher struct {
	answerer Answerer
	governor *backpressure.Governor
	options  BatcherOptions

	wake     chan struct{} // holds one: a change that Run has not seen yet
	cut      chan struct{} // closed to end the requests in flight
	ended    chan struct{} // closed when Run has ended
	cutOnce  sync.Once
	identity Identity

	mu        sync.Mutex
	down      time.Time          // since when no call is answered; zero: calls are
	calls     map[[16]byte]*call // waiting or in flight
	live      class
	rest      class
	tried     []*call // that a probe has carried in this outage; others probe first
	pieces    []*piece
	suspects  []*call // rejected alone, while nothing shows yet that it is not the model
	doubted   bool    // it rejects every text: its word does not count
	trusted   bool    // a person says that it does all the same
	memory    memory
	canary    canary
	rejected  quarantine
	credits   map[string]*backpressure.Credits
	finishing int // calls whose results Done is taking
	taking    int // requests whose results Done is taking
	turns     int // live calls taken since the last one of the rest
	stats     Stats
	running   bool
	draining  bool
}

// NewBatcher returns a batcher for the answerer's model. It sends nothing before Run.
func NewBatcher(a Answerer, o BatcherOptions) *Batcher {
	o = o.withDefaults()
	b := &Batcher{
		answerer: a,
		governor: o.Governor,
		options:  o,
		identity: a.Identity(),
		wake:     make(chan struct{}, 1),
		cut:      make(chan struct{}),
		ended:    make(chan struct{}),
		calls:    make(map[[16]byte]*call),
		credits:  make(map[string]*backpressure.Credits),
		memory:   memory{budget: o.Tokens, most: o.Tokens},
	}
	b.live, b.rest = newClass(&b.options), newClass(&b.options)
	b.canary.due = o.Canary.Every > 0
	return b
}

// Use has the calls of a stage counted on its credits. It is called before the first of them is submitted.
func (b *Batcher) Use(stage string, c *backpressure.Credits) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.credits[stage] = c
}

// Submit adds calls. It never blocks; the caller bounds what it submits. A fingerprint that waits or
// is in flight is not added again, but becomes live if the new call is; one whose results are being
// handed to Done is free again.
func (b *Batcher) Submit(calls []Call) {
	b.mu.Lock()
	for _, c := range calls {
		b.submitLocked(c)
	}
	b.mu.Unlock()
	b.signal()
}

func (b *Batcher) submitLocked(c Call) {
	known := b.calls[c.Fingerprint]
	if known == nil {
		known = &call{Call: c, credits: b.credits[c.Stage], alone: b.rejected.has(c.Fingerprint)}
		known.cost = b.answerer.Cost(known.asked())
		if known.credits != nil {
			known.credits.Take(known.amount())
		}
		b.calls[c.Fingerprint] = known
		b.homeLocked(known).pushBack(known)
		return
	}
	// I7: one fingerprint, one call.
	known.withdrawn = false
	if c.Live && !known.Live {
		waits := known.place == inLine
		if waits {
			known.line.remove(known)
		}
		known.Live = true
		if waits {
			b.homeLocked(known).pushBack(known)
		}
	}
}

// homeLocked returns the line in which the call waits for its first attempt.
func (b *Batcher) homeLocked(c *call) *line {
	if c.Live {
		return b.live.of(c.Stage)
	}
	return b.rest.of(c.Stage)
}

// Withdraw drops the calls that are not in flight. A call in flight is awaited and its result handed
// to Done; only if that request fails it is not sent again. It returns the fingerprints that no
// result will follow for: what it dropped, and what it does not know.
func (b *Batcher) Withdraw(fingerprints [][16]byte) (gone [][16]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fp := range fingerprints {
		c := b.calls[fp]
		if c != nil && !b.pullLocked(c) {
			c.withdrawn = true
			continue
		}
		if c != nil {
			b.dropLocked(c)
		}
		gone = append(gone, fp)
	}
	return gone
}

// pullLocked takes a call from where it waits; false says that it is in flight.
func (b *Batcher) pullLocked(c *call) bool {
	switch c.place {
	case inLine:
		c.line.remove(c)
	case inPiece:
		b.leavePieceLocked(c)
	case parked:
		b.tried = remove(b.tried, c)
	case suspected:
		b.suspects = remove(b.suspects, c)
	default:
		return false
	}
	return true
}

func remove(calls []*call, c *call) []*call {
	return slices.DeleteFunc(calls, func(x *call) bool { return x == c })
}

// dropLocked forgets a call that nobody wants any more.
func (b *Batcher) dropLocked(c *call) {
	c.release()
	delete(b.calls, c.Fingerprint)
}

// Run sends what is submitted until ctx ends or Drain is called, and returns when every goroutine and
// every call of Done that it started is over. When ctx ends, requests in flight are cancelled and
// their calls wait as before. It is called once. The error is nil after Drain, else the cause of
// ctx.
func (b *Batcher) Run(ctx context.Context) error {
	if !b.begin() {
		return errors.New("run batcher: already run")
	}
	ctx, cancel := context.WithCancel(ctx)
	var requests sync.WaitGroup
	defer b.governor.Watch(b.signal)()
	defer func() {
		cancel()
		requests.Wait()
		close(b.ended)
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, drained := b.launch(ctx, &requests)
		if drained {
			return nil
		}
		var due <-chan time.Time
		if wait >= 0 {
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-b.cut:
			return nil
		case <-b.wake:
		case <-due:
		}
	}
}

func (b *Batcher) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := !b.running
	b.running = true
	return first
}

// launch starts every request that may leave now. It returns when to look again, or never, and
// whether Drain has nothing left to await.
func (b *Batcher) launch(ctx context.Context, requests *sync.WaitGroup) (wait time.Duration, drained bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining {
		return never, b.stats.InFlight == 0
	}
	for {
		r, wait := b.nextLocked()
		if r == nil {
			b.sentenceLocked(requests)
			return wait, false
		}
		requests.Go(func() { b.perform(ctx, r, requests) })
	}
}

// Drain sends nothing more, awaits what is in flight and lets Run return; calls that were not sent
// stay unanswered. When ctx ends first, the requests in flight are cancelled and the error says so;
// results of replies that were complete by then are still handed to Done.
func (b *Batcher) Drain(ctx context.Context) error {
	b.mu.Lock()
	b.draining = true
	running := b.running
	b.mu.Unlock()
	if !running {
		return nil
	}
	b.signal()
	select {
	case <-b.ended:
		return nil
	case <-ctx.Done():
		b.cutOnce.Do(func() { close(b.cut) })
		return fmt.Errorf("await requests in flight: %w", context.Cause(ctx))
	}
}

// signal makes Run look again. The channel holds one signal, which is enough: Run looks at everything.
func (b *Batcher) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}
