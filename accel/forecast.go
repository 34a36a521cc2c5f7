package accel

import (
	"time"

	"github.com/freshet/freshet/backpressure"
)

// Forecast says what calls that cost c together would be charged, and how long the limits of the flow make
// them take at least; 0: nothing bounds them. Every request is taken to be full.
func (b *Batcher) Forecast(c backpressure.Cost) (backpressure.Money, time.Duration) {
	requests := max(ceil(c.Rows, int64(b.options.Rows)), ceil(c.Input, int64(b.options.Tokens)))
	return b.governor.Forecast(requests, c)
}

func ceil(n, by int64) int64 { return (n + by - 1) / by }
