package backpressure

import (
	"math/rand/v2"
	"time"
)

const (
	// backoffFirst and backoffCap bound the waits between attempts: first at most half a second, later at
	// most 15 s.
	backoffFirst = 500 * time.Millisecond
	backoffCap   = 15 * time.Second
)

// Backoff draws the wait that follows prev, by decorrelated jitter: from prev to three times prev. After
// none, or next to none, it is a fifth of half a second to all of it. Near its cap of 15 s it is spread as
// well, so that the clients of one server do not meet there.
func Backoff(prev time.Duration) time.Duration {
	low, high := prev, 3*prev
	if prev < backoffFirst/5 {
		low, high = backoffFirst/5, backoffFirst
	}
	if high > backoffCap {
		low, high = backoffCap*2/3, backoffCap
	}
	return low + rand.N(high-low+1)
}

const (
	// retryShare is the part of the requests in flight that may be retries, and retryLeast what may be in
	// any case. More would make a storm of an outage.
	retryShare = 0.2
	retryLeast = 3
)

// retries is the budget of retries: how many of the requests in flight may be second attempts.
type retries struct{ inFlight int }

func (r *retries) open(all int) bool {
	return r.inFlight < max(retryLeast, int(retryShare*float64(all)))
}
