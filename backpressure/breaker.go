package backpressure

import (
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"
)

// State is that of a breaker; its number is that of the metric.
type State uint8

// Closed lets requests pass, HalfOpen has probes in flight or will make them of the next work, Open waits
// until its back-off is over.
const (
	Closed State = iota
	HalfOpen
	Open
)

// String returns the state as the status reports it.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half_open"
	}
	return "open"
}

const (
	// probes is how many requests have to be answered, each of one row of real work, before a half-open
	// breaker closes.
	probes = 3
	// window is how far back outages count, in buckets of a second.
	window = 30 * time.Second
	// tripStreak outages in a row open the breaker when nothing was answered for tripQuiet, or when they are
	// as many as requests may be in flight, and at least tripBurst: with many in flight, one blip fails all
	// of them at once.
	tripStreak = 3
	tripQuiet  = time.Second
	tripBurst  = 6
	// tripRequests and tripShare open it when outages and answers mix.
	tripRequests = 20
	tripShare    = 0.5
	// quiet is how long after an answered probe a breaker shows itself closed when no work waits: what was asked was
	// answered, and the probes that are still to come may never be needed.
	quiet = time.Second
	// personWait is how long an endpoint is left alone after what only a person can end.
	personWait = time.Minute
)

// breaker is a circuit breaker over gobreaker's, which counts and decides, and which has to be wrapped:
//
//   - Its time to half-open is fixed and passes only when somebody looks. Here that time is next to
//     nothing, and the wrapper withholds its word until the back-off, which grows, is over.
//   - A probe whose end is never told leaves it half-open for ever. Here a probe has a deadline.
//   - Its callback runs under its lock. Here it only notes the state; everything else happens after the
//     call has returned.
//   - Successes of requests that were sent before it tripped are ignored by it, as they should be.
//
// The governor's mutex guards it.
type breaker struct {
	core  *gobreaker.TwoStepCircuitBreaker[struct{}]
	state gobreaker.State // as the core has it

	streak   int // outages in a row
	answered time.Time
	proven   bool // there was an answer since the start, or since it last closed
	limit    int  // requests that may be in flight

	openUntil time.Time
	delay     time.Duration // the back-off that led there
	hard      Reason        // a person has to act; empty: time is enough
	healing   bool          // a probe was answered, and not yet all of them
	pending   map[*probe]struct{}
}

// probe is a request that a half-open breaker has admitted.
type probe struct {
	done     func(error)
	deadline time.Time
}

var (
	errOutage   = errors.New("outage")
	errExcluded = errors.New("says nothing about the endpoint")
)

func newBreaker(now time.Time) *breaker {
	b := &breaker{answered: now, pending: map[*probe]struct{}{}}
	b.core = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:  probes,
		Interval:     window,
		BucketPeriod: time.Second,
		Timeout:      time.Nanosecond,
		ReadyToTrip:  b.trips,
		IsExcluded:   func(err error) bool { return errors.Is(err, errExcluded) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			b.state = to
		},
	})
	return b
}

// trips decides about an outage while the breaker is closed. It runs under the core's lock.
func (b *breaker) trips(c gobreaker.Counts) bool {
	switch {
	case b.hard != "", !b.proven:
		return true
	case b.streak >= tripStreak && time.Since(b.answered) >= tripQuiet:
		return true
	case b.streak >= max(tripBurst, b.limit):
		return true
	}
	return c.Requests >= tripRequests && float64(c.TotalFailures) >= tripShare*float64(c.Requests)
}

// wait is how long no request may be sent; never: until a probe is back.
func (b *breaker) wait(now time.Time) time.Duration {
	b.expire(now)
	switch {
	case b.state == gobreaker.StateClosed:
		return 0
	case now.Before(b.openUntil):
		return b.openUntil.Sub(now)
	case len(b.pending) < b.mostProbes():
		return 0
	}
	return b.nextDeadline(now)
}

// mostProbes is how many probes may be in flight: one asks, and only when it was answered do others confirm.
func (b *breaker) mostProbes() int {
	if b.healing {
		return probes
	}
	return 1
}

// half reports whether what is sent now is a probe.
func (b *breaker) half() bool { return b.state != gobreaker.StateClosed }

// allow admits a request for which wait was zero, or says how long to wait after all. It is a probe while
// the breaker is not closed.
func (b *breaker) allow(now, deadline time.Time) (*probe, time.Duration) {
	done, err := b.core.Allow()
	switch {
	case errors.Is(err, gobreaker.ErrTooManyRequests):
		return nil, b.nextDeadline(now) // as many probes as it needs are on their way
	case err != nil:
		return nil, time.Nanosecond // the core's time to half-open is not quite over
	}
	p := &probe{done: done, deadline: deadline}
	if b.half() {
		b.pending[p] = struct{}{}
	}
	return p, 0
}

// tell passes the end of a request on. It reports whether it opened or closed the breaker.
func (b *breaker) tell(p *probe, now time.Time, err error) (opened, closed bool) {
	was := b.state
	wasOpen := was != gobreaker.StateClosed
	_, probed := b.pending[p]
	delete(b.pending, p)
	if p.done == nil {
		return false, false // its deadline has told for it
	}
	done := p.done
	p.done = nil
	done(err)
	switch {
	case !wasOpen && b.state != gobreaker.StateClosed:
		b.open(now)
		return true, false
	case wasOpen && b.state == gobreaker.StateClosed:
		b.healing = false
		return false, true
	case probed && errors.Is(err, errOutage) && wasOpen:
		b.open(now)
	}
	return false, false
}

// open sets the time of the next probes. Those that are still in flight belong to the turn that is over.
func (b *breaker) open(now time.Time) {
	wait := personWait
	if b.hard == "" {
		b.delay = Backoff(b.delay)
		wait = b.delay
	}
	b.openUntil, b.proven, b.healing = now.Add(wait), false, false
	clear(b.pending)
}

// slam opens the breaker for what only a person can end.
func (b *breaker) slam(p *probe, now time.Time, why Reason) (opened bool) {
	first := b.hard != why || b.state == gobreaker.StateClosed
	b.hard = why
	b.tell(p, now, errOutage)
	if b.state == gobreaker.StateClosed {
		// The core did not count this one: it was sent before the breaker last turned.
		if done, err := b.core.Allow(); err == nil {
			done(errOutage)
		}
	}
	b.open(now)
	return first
}

// success notes an answer: the endpoint works. While the breaker is not closed only a probe of this turn
// shows it; others may have been sent before.
func (b *breaker) success(p *probe, now time.Time) {
	if _, probed := b.pending[p]; b.half() && !probed {
		return
	}
	b.streak, b.answered, b.proven = 0, now, true
	b.hard, b.healing = "", b.half()
	// Not to nothing at once: an endpoint that answers little but probes is left alone for longer each time.
	b.delay = b.delay * 3 / 4
}

// resume lets the next probes go at once.
func (b *breaker) resume(now time.Time) {
	if b.half() && now.Before(b.openUntil) {
		b.openUntil = now
	}
}

// expire ends the probes that were lost.
func (b *breaker) expire(now time.Time) {
	for p := range b.pending {
		if !now.Before(p.deadline) {
			b.streak++
			b.tell(p, now, errOutage)
		}
	}
}

func (b *breaker) nextDeadline(now time.Time) time.Duration {
	first := never
	for p := range b.pending {
		if wait := p.deadline.Sub(now); first == never || wait < first {
			first = wait
		}
	}
	return first
}

// shows is the state for people. When idle, no work waits.
func (b *breaker) shows(now time.Time, idle bool) State {
	switch {
	case !b.half():
		return Closed
	case now.Before(b.openUntil):
		return Open
	case idle && b.healing && len(b.pending) == 0 && now.Sub(b.answered) >= quiet:
		return Closed
	}
	return HalfOpen
}
