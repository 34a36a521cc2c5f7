package backpressure

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// never is a wait that no time ends: something else has to happen first.
const never = time.Duration(-1)

// Options bound the requests to one endpoint. A zero field has the default named with it.
type Options struct {
	Concurrency int    // most requests in flight; 8
	Limits      Limits // per minute; none
	Price       Price  // of a token; nothing
	Daily       *Money // most that a UTC day may cost; nil: no bound

	// Deadline is the longest that a request may take; 30 s. A permit that is not settled a while after it
	// holds no probe any more.
	Deadline time.Duration
}

func (o Options) withDefaults() Options {
	if o.Concurrency <= 0 {
		o.Concurrency = 8
	}
	if o.Deadline <= 0 {
		o.Deadline = 30 * time.Second
	}
	return o
}

// Governor decides when a request may be sent to one endpoint, and learns from what becomes of it. It has an account of
// its own; the endpoint it may share.
type Governor struct {
	*endpoint
	options Options

	// Guarded by the lock of the endpoint.
	purse     purse
	available bool
	since     time.Time
	keep      func(Spending) error
	dirty     bool // something was spent that is not durable
	restored  bool // what was kept by an earlier process was taken up

	keeping sync.Mutex // one write of the spending at a time
}

// endpoint is what all who ask it share: one server has one limit, whatever names it goes by.
type endpoint struct {
	mu       sync.Mutex
	gate     gate
	breaker  *breaker
	limiter  limiter
	retries  retries
	rates    rates
	expected expectation
	inFlight int
	round    int           // of the limiter: a Retry-After begins a new one
	good     bool          // the last outcome was an answer
	stopped  Reason        // nothing is sent any more
	said     string        // by the endpoint, about the last failure
	waiters  int           // in Wait: they go before Admit
	changed  chan struct{} // closed when something may be admitted that was not before
	watchers map[*func()]struct{}
}

// New returns a governor that admits one request at first.
func New(o Options) *Governor {
	o = o.withDefaults()
	now := time.Now()
	return o.account(now, &endpoint{breaker: newBreaker(now), limiter: newLimiter(o.Concurrency), rates: newRates(o.Limits),
		changed: make(chan struct{})})
}

// Sibling returns a governor of the same endpoint: what one learns binds the other, and their requests count together.
// Price and budget are its own, as is what it spends. Concurrency and limits stay those of g.
func (g *Governor) Sibling(price Price, daily *Money) *Governor {
	o := g.options
	o.Price, o.Daily = price, daily
	return o.account(time.Now(), g.endpoint)
}

// account is a governor that has spent nothing.
func (o Options) account(now time.Time, e *endpoint) *Governor {
	return &Governor{endpoint: e, options: o, purse: newPurse(o.Price, o.Daily, Spending{Day: dayOf(now)}), available: true, since: now}
}

// Restore takes up what was kept by an earlier process, and keeps what follows: keep returns when it is
// durable. What was spent before it is first called is added; it is called while nothing is in flight.
func (g *Governor) Restore(last Spending, keep func(Spending) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if last.Day == 0 {
		last.Day = dayOf(time.Now())
	}
	before := g.purse.spent // such as for the question how long the model's vectors are
	g.purse = newPurse(g.options.Price, g.options.Daily, last)
	if !g.restored {
		g.purse.settle(time.Now(), 0, Cost{Input: before.Input, Output: before.Output})
	}
	g.restored = true
	if last.NotBefore.After(g.gate.until) {
		g.gate.until = last.NotBefore
	}
	g.keep, g.dirty = keep, true
}

// Watch has fn called, outside any lock, whenever something was settled or may be admitted that was not
// before, until stop is called.
func (g *Governor) Watch(fn func()) (stop func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.watchers == nil {
		g.watchers = map[*func()]struct{}{}
	}
	g.watchers[&fn] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.watchers, &fn)
	}
}

// Ask is what a request is wanted for.
type Ask struct {
	First Cost // the least that makes a request
	Want  Cost // all that waits and would fit into one
	Retry bool // it was sent before, and failed
}

// Room is what a request may hold now.
type Room struct {
	Probe bool // one row: it is to show whether the endpoint works
	rows  int64
	left  Limits
	money Money
	price Price

	expected *expectation
}

// Holds reports whether a request of that cost may be sent.
func (r *Room) Holds(c Cost) bool {
	if c.Rows > r.rows || r.price.Of(c) > r.money {
		return false
	}
	c = r.expected.of(c)
	return c.Input+c.Output <= r.left[Tokens] && c.Input <= r.left[InputTokens] && c.Output <= r.left[OutputTokens]
}

// Permit lets one request be sent. It is settled once.
type Permit struct {
	cost     Cost // the upper bound
	reserved Cost // of the rates
	held     Money
	probe    *probe
	isProbe  bool
	retry    bool
	round    int
	sent     time.Time
	settled  bool
}

// Probe reports whether the request is to show if the endpoint works again.
func (p *Permit) Probe() bool { return p.isProbe }

// Admit gives a permit for a request, or how long to wait: a negative time when nothing but an outcome or
// more work can change the answer. fill is called, under the governor's lock, when a request may be sent: it
// gathers one for which [Room.Holds], or the single row that ask.First stands for, and returns its cost.
func (g *Governor) Admit(ask Ask, fill func(*Room) Cost) (*Permit, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.admitLocked(time.Now(), ask, g.allowedLocked()-g.waiters, fill)
}

func (g *Governor) admitLocked(now time.Time, ask Ask, slots int, fill func(*Room) Cost) (*Permit, time.Duration) {
	if wait := g.waitLocked(now, ask, slots); wait != 0 {
		return nil, wait
	}
	deadline := now.Add(g.options.Deadline + g.options.Deadline/2)
	probe, wait := g.breaker.allow(now, deadline)
	if probe == nil {
		return nil, wait
	}
	room := Room{Probe: g.breaker.half(), rows: unbounded, left: g.rates.left(now), money: g.purse.left(now), price: g.purse.price,
		expected: &g.expected}
	if room.Probe {
		room.rows = 1
	}
	p := &Permit{probe: probe, isProbe: room.Probe, retry: ask.Retry, round: g.round, sent: now}
	p.cost = fill(&room)
	p.held = g.purse.hold(p.cost)
	p.reserved = g.expected.of(p.cost)
	g.rates.reserve(now, p.reserved)
	g.inFlight++
	if p.retry {
		g.retries.inFlight++
	}
	return p, 0
}

// waitLocked asks everything that may hold a request up, the strictest first.
func (g *Governor) waitLocked(now time.Time, ask Ask, slots int) time.Duration {
	if g.stopped != "" {
		return never
	}
	if wait := g.gate.wait(now); wait > 0 {
		return wait
	}
	if wait := g.breaker.wait(now); wait != 0 {
		return wait
	}
	if g.breaker.half() {
		// The breaker bounds its probes itself; requests from before may still be in flight beside them.
		ask.Want, ask.Retry, slots = ask.First, false, g.options.Concurrency
	}
	if g.inFlight >= slots || ask.Retry && !g.retries.open(g.inFlight) {
		return never
	}
	if g.purse.price.Of(ask.First) > g.purse.left(now) {
		if g.purse.held > 0 {
			return never // what is in flight may cost less than was set aside
		}
		g.purse.short = true
		return tomorrow(now)
	}
	return g.rates.wait(now, g.expected.of(ask.First), g.expected.of(ask.Want))
}

// Concurrency is the most requests that may ever be in flight.
func (g *Governor) Concurrency() int { return g.options.Concurrency }

// Probing reports whether the breaker is not closed: what is sent next is a probe of one row.
func (g *Governor) Probing() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.breaker.half()
}

// allowedLocked is how many requests may be in flight.
func (g *Governor) allowedLocked() int {
	if g.breaker.half() {
		return min(g.options.Concurrency, g.breaker.mostProbes())
	}
	return g.limiter.allowed()
}

// UnwillingError says that a request was not sent, because it would have to wait for longer than its sender
// does.
type UnwillingError struct{ Health Health }

// Error names the reason, and what the endpoint said.
func (e *UnwillingError) Error() string {
	s := "nothing is asked of the model now"
	if e.Health.Reason != "" {
		s += " (" + string(e.Health.Reason) + ")"
	}
	if !e.Health.Until.IsZero() {
		s += " before " + e.Health.Until.UTC().Format(time.RFC3339)
	}
	if e.Health.Message != "" {
		s += ": " + e.Health.Message
	}
	return s
}

// Wait waits until one request of that cost may be sent; it goes before whoever asks Admit. Where it is
// known that this takes longer than patience, the error is an [*UnwillingError] at once; when ctx ends, it
// is that of ctx.
func (g *Governor) Wait(ctx context.Context, c Cost, patience time.Duration) (*Permit, error) {
	g.mu.Lock()
	g.waiters++
	defer func() {
		g.mu.Lock()
		g.waiters--
		g.mu.Unlock()
		g.tell()
	}()
	for {
		p, wait := g.admitLocked(time.Now(), Ask{First: c, Want: c}, g.allowedLocked(), func(*Room) Cost { return c })
		changed, stopped := g.changed, g.stopped != ""
		g.mu.Unlock()
		if p != nil {
			return p, nil
		}
		if wait > patience || stopped {
			return nil, &UnwillingError{Health: g.Health(false)}
		}
		if err := pause(ctx, changed, wait); err != nil {
			return nil, fmt.Errorf("wait for the model: %w", err)
		}
		g.mu.Lock()
	}
}

// pause waits for a change, for a time unless it is negative, or for the end of ctx.
func pause(ctx context.Context, changed <-chan struct{}, wait time.Duration) error {
	var due <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-changed:
	case <-due:
	}
	return nil
}

// tell wakes whoever waits for a change.
func (g *Governor) tell() {
	g.mu.Lock()
	close(g.changed)
	g.changed = make(chan struct{})
	watchers := make([]func(), 0, len(g.watchers))
	for fn := range g.watchers {
		watchers = append(watchers, *fn)
	}
	g.mu.Unlock()
	for _, fn := range watchers {
		fn()
	}
}

// Resume lets the next probe of an open breaker go at once: a person has dealt with its cause. A
// Retry-After is waited for nevertheless: that was the server's word.
func (g *Governor) Resume() {
	g.mu.Lock()
	g.breaker.resume(time.Now())
	g.mu.Unlock()
	g.tell()
}

// Stop sends nothing more for a reason that no answer can end; said tells people what was found.
func (g *Governor) Stop(why Reason, said string) {
	g.mu.Lock()
	g.stopped, g.said = why, said
	g.mu.Unlock()
	g.tell()
}
