package accel

import "time"

// Stats is what a [Batcher] has done and stands before. Totals count from NewBatcher.
type Stats struct {
	Queued        int // calls that wait, those between two attempts included
	InFlight      int // requests sent whose results are not yet taken by Done
	InFlightCalls int // calls in requests that are not yet answered

	Calls    int64 // calls answered with a vector
	Rejected int64 // calls that the model rejected
	Requests int64 // requests sent
	Failures int64 // requests that an outage or a refusal ended
	Usage    Usage // what the model charged, for replies that could not be used as well

	Health Health
}

// Health says whether a model answers, and why it is not asked.
type Health struct {
	// Available is false during an outage, and after an error that a person has to end. It is true
	// again when the back-off is over and no call waits: there is nothing to probe with, and a new call
	// goes at once.
	Available bool

	// Breaker is the same as the state of a circuit breaker.
	Breaker Breaker

	// Reason is why no request goes out; empty while they do.
	Reason Reason

	// Since is when Available last changed; at first, when the batcher was made.
	Since time.Time

	// Until is before when no request goes out; zero when nothing but work is waited for.
	Until time.Time

	// Last is the error behind Reason; nil without one.
	Last *Error
}

// Reason names why a model is not asked, in the words of the status.
type Reason string

// The reasons of a [Health]. While several hold, the first one here is named.
const (
	ReasonAuth         Reason = "auth"
	ReasonQuota        Reason = "quota"
	ReasonUnknownModel Reason = "unknown_model"
	ReasonRetryAfter   Reason = "retry_after"
	ReasonErrors       Reason = "errors"
)

func reasonOf(k Kind) Reason {
	switch k {
	case Auth:
		return ReasonAuth
	case Quota:
		return ReasonQuota
	case UnknownModel:
		return ReasonUnknownModel
	}
	return ReasonErrors
}

// Breaker is the state of a circuit breaker; its number is that of the metric.
type Breaker uint8

// Closed lets requests pass, HalfOpen has a probe in flight or will make one of the next call, Open waits
// until its back-off is over.
const (
	Closed Breaker = iota
	HalfOpen
	Open
)

// String returns the state as the status reports it.
func (s Breaker) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half_open"
	}
	return "open"
}

// Stats returns a copy of the counters and of the model's health.
func (b *Batcher) Stats() Stats {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Queued = len(b.calls) - s.InFlightCalls - b.finishing
	s.Health = b.gate.health(now, s.Queued == 0)
	return s
}
