package accel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// BatcherOptions bounds the requests to one model. A zero field has the default named with it.
type BatcherOptions struct {
	// Rows is the most texts in one request; 64.
	Rows int

	// Tokens is the most tokens in one request, by [EstimateTokens]; 16384. A text that is longer
	// goes alone.
	Tokens int

	// Concurrency is the most requests in flight; 8.
	Concurrency int

	// Timeout is how long one request may take until its reply is complete; 30 s.
	Timeout time.Duration

	// Done takes the results of a reply as soon as it is complete, also while Drain waits and after
	// the context of Run has ended. It is required, called by several goroutines at once, and may
	// block: then the slot of that request waits too. It must return when its consumer has ended,
	// because Run waits for it. The slice belongs to the receiver.
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
	if o.Concurrency <= 0 {
		o.Concurrency = 8
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Batcher coalesces calls into requests for one model, keeps the model's limits, waits out its
// outages, and separates a rejected text from its siblings.
//
// A free slot sends what there is at once; while all slots are busy the next requests fill. So there
// is no timer on the way of a lone call, and no half-empty request under load.
type Batcher struct {
	embedder Embedder
	options  BatcherOptions

	wake     chan struct{} // holds one: a change that Run has not seen yet
	cut      chan struct{} // closed to end the requests in flight
	ended    chan struct{} // closed when Run has ended
	cutOnce  sync.Once
	identity Identity

	mu        sync.Mutex
	calls     map[[16]byte]*call // waiting or in flight
	live      queue
	rest      queue
	parked    queue // calls that a probe has tried in this outage; others probe first
	pieces    []*piece
	finishing int // calls whose results Done is taking
	turns     int // live calls taken since the last one of the rest
	gate      gate
	stats     Stats
	running   bool
	draining  bool
}

// NewBatcher returns a batcher for the embedder's model. It sends nothing before Run.
func NewBatcher(e Embedder, o BatcherOptions) *Batcher {
	o = o.withDefaults()
	return &Batcher{
		embedder: e,
		options:  o,
		identity: e.Identity(),
		wake:     make(chan struct{}, 1),
		cut:      make(chan struct{}),
		ended:    make(chan struct{}),
		calls:    make(map[[16]byte]*call),
		gate:     newGate(o.Concurrency, time.Now()),
	}
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
		known = &call{Call: c, tokens: EstimateTokens(c.Text)}
		b.calls[c.Fingerprint] = known
		b.homeLocked(known).pushBack(known)
		return
	}
	// I7: one fingerprint, one call.
	known.withdrawn = false
	if c.Live && !known.Live {
		known.Live = true
		if known.queue == &b.rest {
			b.rest.remove(known)
			b.live.pushBack(known)
		}
	}
}

// homeLocked returns the queue in which the call waits for its first attempt.
func (b *Batcher) homeLocked(c *call) *queue {
	if c.Live {
		return &b.live
	}
	return &b.rest
}

// Withdraw drops the calls that are not in flight. A call in flight is awaited and its result handed
// to Done; only if that request fails it is not sent again. It returns the fingerprints that no
// result will follow for: what it dropped, and what it does not know.
func (b *Batcher) Withdraw(fingerprints [][16]byte) (gone [][16]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fp := range fingerprints {
		c := b.calls[fp]
		switch {
		case c == nil:
			gone = append(gone, fp)
			continue
		case c.queue != nil:
			c.queue.remove(c)
		case c.piece != nil:
			b.leavePieceLocked(c)
		default:
			c.withdrawn = true
			continue
		}
		delete(b.calls, fp)
		gone = append(gone, fp)
	}
	return gone
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
		r, wait := b.nextLocked(time.Now())
		if r == nil {
			return wait, false
		}
		requests.Go(func() { b.perform(ctx, r) })
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

// Resume sends the next probe of an unavailable model at once: a person has dealt with its cause. A
// Retry-After is waited for nevertheless.
func (b *Batcher) Resume() {
	b.mu.Lock()
	b.gate.resume(time.Now())
	b.mu.Unlock()
	b.signal()
}

// signal makes Run look again. The channel holds one signal, which is enough: Run looks at everything.
func (b *Batcher) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}
