package accel

import (
	"math/bits"

	"github.com/freshet/freshet/backpressure"
)

// Stats is what a [Batcher] has done and stands before. Totals count from NewBatcher.
type Stats struct {
	Queued        int // calls that wait, those between two attempts included
	InFlight      int // requests sent that are not yet answered
	InFlightCalls int // calls in requests that are not yet answered

	Calls    int64 // calls that were answered
	Rejected int64 // calls that ended in a rejection
	Requests int64 // requests sent
	Sent     int64 // calls in them, each as often as it was sent
	Retries  int64 // requests that carried calls of one that an outage had ended
	Failures int64 // requests that an outage or a refusal ended
	Usage    Usage // what the model charged, for replies that could not be used as well

	// Sizes are the requests by how many calls they carried: the one at i those of at most 2^i, and of more than the one before.
	Sizes Sizes

	// RealTokens is the length of all texts that were sent, PaddedTokens what it comes to where every text
	// of a request is made as long as the longest: their ratio is what a model that pads computes in vain.
	RealTokens, PaddedTokens int64
	// Budget is the most tokens in one request now; less than the options say while memory is short.
	Budget int

	Health backpressure.Health
}

// Sizes count requests by their calls, up to 2^16 of them.
type Sizes [17]int64

// add counts a request of n calls, n ≥ 1.
func (s *Sizes) add(n int) { s[min(bits.Len(uint(n-1)), len(s)-1)]++ }

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
