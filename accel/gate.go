package accel

import (
	"math/rand/v2"
	"time"
)

const (
	// tripAfter outages in a row, with no answer between them, make a model unavailable. One or two may
	// be a connection that broke.
	tripAfter = 3
	// backoffFirst and backoffCap bound the waits: first at most half a second, later at most 15 s.
	backoffFirst = 500 * time.Millisecond
	backoffCap   = 15 * time.Second
	// personWait is how long a model is left alone after an error that only a person can end.
	personWait = time.Minute
	// never is a wait that no time ends: something else has to happen first.
	never = time.Duration(-1)
)

// gate decides when a request may leave. It knows the model only by the outcomes of requests.
//
// Running, it admits up to allowed requests; allowed starts at one and grows by one with every answer,
// so that a restarted flow learns of a Retry-After or a wrong key from one request; it halves with every
// outage that may be chance. Open, the gate admits one probe per back-off. A verdict starts a new round;
// outcomes of requests of an older round say nothing about it, so that stragglers neither close nor
// prolong an outage.
//
// Not safe for concurrent use: the batcher's mutex guards it.
type gate struct {
	slots   int
	allowed int
	round   int
	streak  int  // outages since the last answer
	good    bool // the last outcome was an answer
	proven  bool // the model has answered since the start or the last outage

	open    bool
	probing bool
	reason  Reason
	probeAt time.Time
	delay   time.Duration

	closedUntil time.Time // Retry-After; nothing leaves before, whatever else holds
	since       time.Time
	last        *Error
}

// pass is what a request carries through the gate and shows when it comes back.
type pass struct {
	round int
	probe bool
}

func newGate(slots int, now time.Time) gate {
	return gate{slots: slots, allowed: 1, since: now}
}

// admit returns 0 when a request may leave now, else how long to wait, or never.
func (g *gate) admit(now time.Time, inFlight int) time.Duration {
	if wait := g.closedUntil.Sub(now); wait > 0 {
		return wait
	}
	if !g.open {
		if inFlight >= g.allowed {
			return never
		}
		return 0
	}
	// The request whose failure opened the gate has left its slot, so there is one for the probe.
	if g.probing {
		return never
	}
	return max(0, g.probeAt.Sub(now))
}

// sent notes a request that was admitted.
func (g *gate) sent() pass {
	g.probing = g.open
	return pass{round: g.round, probe: g.open}
}

// answered notes that the model answered, be it with a rejection. It reports whether an outage ended.
func (g *gate) answered(p pass, now time.Time) (recovered bool) {
	if p.round != g.round {
		return false
	}
	g.streak, g.good = 0, true
	if g.open {
		g.open, g.probing, g.allowed = false, false, 1
		g.turn(now)
		recovered = true
	}
	g.proven = true
	g.allowed = min(g.slots, g.allowed+1)
	// Not to zero at once: a model that answers little but probes is left alone for longer each time.
	g.delay = g.delay * 3 / 4
	return recovered
}

// failed notes that the model did not answer. It reports whether an outage began, and whether the
// failure stands alone: whether the model had answered just before.
func (g *gate) failed(p pass, now time.Time, e *Error) (opened, lone bool) {
	g.last = e
	if e.RetryAfter > 0 {
		g.closeFor(e.RetryAfter, now)
	}
	switch {
	case e.Kind.needsPerson():
		opened = !g.open || g.reason != reasonOf(e.Kind)
		g.trip(now, reasonOf(e.Kind), personWait)
		return opened, false
	case p.round != g.round:
		return false, false
	case g.open:
		g.reopen(now)
		return false, false
	}
	lone = g.good
	g.good = false
	if e.RetryAfter > 0 {
		// The server is well and says when to come back; then one request goes first.
		g.allowed = 1
		g.round++
		return false, false
	}
	g.streak++
	g.allowed = max(1, g.allowed/2)
	if g.streak >= tripAfter || !g.proven {
		g.delay = backoff(g.delay)
		g.trip(now, ReasonErrors, g.delay)
		opened = true
	}
	return opened, lone
}

// reopen waits for the next probe after one that failed.
func (g *gate) reopen(now time.Time) {
	wait := personWait
	if g.reason == ReasonErrors {
		g.delay = backoff(g.delay)
		wait = g.delay
	}
	g.probing, g.probeAt = false, now.Add(wait)
}

func (g *gate) trip(now time.Time, reason Reason, wait time.Duration) {
	if !g.open {
		g.turn(now)
	}
	g.open, g.probing, g.good, g.proven = true, false, false, false
	g.reason, g.probeAt = reason, now.Add(wait)
	g.round++
}

// turn notes when availability changed.
func (g *gate) turn(now time.Time) {
	g.since = now
	g.round++
}

func (g *gate) closeFor(wait time.Duration, now time.Time) {
	if until := now.Add(wait); until.After(g.closedUntil) {
		g.closedUntil = until
	}
}

// resume lets the next probe go at once. A Retry-After stands: that was the server's word.
func (g *gate) resume(now time.Time) {
	if g.open && !g.probing {
		g.probeAt = now
	}
}

// health describes the gate. When idle, nothing waits for the model: an outage whose back-off is over
// then keeps nobody waiting, and the next call is sent at once, as its probe.
func (g *gate) health(now time.Time, idle bool) Health {
	if g.open && !g.probing && idle && !g.probeAt.After(now) && !g.closedUntil.After(now) {
		return Health{Available: true, Breaker: HalfOpen, Since: g.probeAt}
	}
	h := Health{Available: !g.open, Since: g.since}
	until := g.closedUntil
	switch {
	case g.open && g.probing:
		h.Breaker = HalfOpen
	case g.open:
		h.Breaker = Open
	}
	if g.open {
		h.Reason = g.reason
		if g.probeAt.After(until) {
			until = g.probeAt
		}
	}
	if g.closedUntil.After(now) && (h.Reason == "" || h.Reason == ReasonErrors) {
		h.Reason = ReasonRetryAfter
	}
	if h.Reason != "" {
		h.Last = g.last
		if until.After(now) {
			h.Until = until
		}
	}
	return h
}

// backoff draws the wait that follows prev: from prev to three times prev; after none, or next to none,
// from a fifth of backoffFirst to all of it. Near the cap it is spread, so that clients of one server do not meet there.
func backoff(prev time.Duration) time.Duration {
	low, high := prev, 3*prev
	if prev < backoffFirst/5 {
		low, high = backoffFirst/5, backoffFirst
	}
	if high > backoffCap {
		low, high = backoffCap*2/3, backoffCap
	}
	return low + rand.N(high-low+1)
}
