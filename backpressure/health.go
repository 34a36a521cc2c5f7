package backpressure

import "time"

// Reason names why nothing is sent, in the words of the status.
type Reason string

// The reasons of a [Health]. While several hold, the first one here is named.
const (
	ReasonChanged      Reason = "model_changed"
	ReasonAuth         Reason = "auth"
	ReasonQuota        Reason = "quota"
	ReasonUnknownModel Reason = "unknown_model"
	ReasonBudget       Reason = "budget"
	ReasonRetryAfter   Reason = "retry_after"
	ReasonErrors       Reason = "errors"
)

// Health says whether requests go out, and why not.
type Health struct {
	// Available is false during an outage, while a server wants to be left alone, when the day's money is
	// spent, and after what a person has to end. It is true when a back-off is over and nothing waits: there
	// is nothing to probe with, and new work is sent at once.
	Available bool
	State     State
	Reason    Reason // why no request goes out; empty while they do
	Hard      bool   // waiting alone does not end it before a person acts or another day begins

	Since   time.Time // when Available last changed; at first, when the governor was made
	Until   time.Time // before when no request goes out; zero when nothing but work is waited for
	Message string    // what the endpoint said

	Limit    int // requests that may be in flight
	InFlight int // requests that are
	Spent    Spending
	Daily    *Money // what a day may cost; nil: nothing bounds it
}

// Health describes the governor. When idle, no work waits for it.
func (g *Governor) Health(idle bool) Health {
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.breaker.expire(now)
	g.purse.turn(now)
	h := Health{State: g.breaker.shows(now, idle), Limit: g.allowedLocked(), InFlight: g.inFlight, Spent: g.purse.spent}
	if daily := g.purse.daily; g.purse.bounded {
		h.Daily = &daily
	}
	h.Reason, h.Until, h.Hard = g.noteLocked(now, idle)
	h.Available, h.Since = h.Reason == "", g.since
	if h.Reason != "" {
		h.Message = g.said
		if h.Reason == ReasonBudget {
			h.Message = g.purse.words()
		}
	}
	return h
}

// noteLocked names the first reason that holds, and notes when availability changed.
func (g *Governor) noteLocked(now time.Time, idle bool) (why Reason, until time.Time, hard bool) {
	why, until, hard = g.hindranceLocked(now, idle)
	if available := why == ""; available != g.available {
		g.available, g.since = available, now
	}
	return why, until, hard
}

// hindranceLocked names the first reason that holds.
func (g *Governor) hindranceLocked(now time.Time, idle bool) (why Reason, until time.Time, hard bool) {
	b, closed := g.breaker, g.gate.wait(now) > 0
	open := now.Before(b.openUntil) && b.half()
	until = g.gate.until
	if open && b.openUntil.After(until) {
		until = b.openUntil
	}
	if !until.After(now) {
		until = time.Time{}
	}
	switch {
	case g.stopped != "":
		return g.stopped, time.Time{}, true
	case b.hard != "" && b.half():
		return b.hard, until, true
	case !idle && g.purse.short && dayOf(now) == g.purse.spent.Day:
		return ReasonBudget, now.Add(tomorrow(now)).UTC(), true
	case closed:
		return ReasonRetryAfter, until, false
	case b.half() && !b.healing && (open || !idle):
		return ReasonErrors, until, false
	}
	return "", time.Time{}, false
}
