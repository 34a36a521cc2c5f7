package backpressure

import (
	"math/rand/v2"
	"time"
)

// gateJitter spreads the callers of one credential behind the moment that a server named to all of them.
const gateJitter = 0.1

// gateJitterMost bounds that spread.
const gateJitterMost = 3 * time.Second

// gate is closed by a server's Retry-After. Nothing leaves before it opens, whatever else holds.
type gate struct {
	until time.Time
}

// close keeps the gate closed for at least that long.
func (g *gate) close(now time.Time, wait time.Duration) {
	spread := min(time.Duration(float64(wait)*gateJitter), gateJitterMost)
	if spread > 0 {
		wait += rand.N(spread)
	}
	if until := now.Add(wait); until.After(g.until) {
		g.until = until
	}
}

// wait is how long the gate stays closed; not positive when it is open.
func (g *gate) wait(now time.Time) time.Duration { return g.until.Sub(now) }
