package accel

import "github.com/freshet/freshet/backpressure"

// Stats is what a [Batcher] has done and stands before. Totals count from NewBatcher.
type Stats struct {
	Queued        int // calls that wait, those between two attempts included
	InFlight      int // requests sent that are not yet answered
	InFlightCalls int // calls in requests that are not yet answered

	Calls    int64 // calls that were answered
	Rejected int64 // calls that ended in a rejection
	Requests int64 // requests sent
	Retries  int64 // requests that carried calls of one that an outage had ended
	Failures int64 // requests that an outage or a refusal ended
	Usage    Usage // what the model charged, for replies that could not be used as well

	// RealTokens is the length of all texts that were sent, PaddedTokens what it comes to where every text
	// of a request is made as long as the longest: their ratio is what a model that pads computes in vain.
	RealTokens, PaddedTokens int64
	// Budget is the most tokens in one request now; less than the options say while memory is short.
	Budget int

	Health backpressure.Health
}

// Stats returns a copy of the counters and of the model's health.
func (b *Batcher) Stats() Stats {
	b.mu.Lock()
	s := b.stats
	s.Queued = len(b.calls) - s.InFlightCalls - b.finishing
	s.Budget = b.memory.budget
	b.mu.Unlock()
	s.Health = b.governor.Health(s.Queued == 0)
	return s
}
