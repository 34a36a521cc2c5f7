package backpressure

import "time"

// Forecast says what work of that cost would be charged, and how long the flow's own limits per minute make
// it take at least; 0: they do not bound it. Limits that a server announces are not known before it is asked.
func (g *Governor) Forecast(requests int64, c Cost) (Money, time.Duration) {
	least := 0.0
	for dimension, n := range map[Dimension]int64{Requests: requests, Tokens: c.Input + c.Output, InputTokens: c.Input, OutputTokens: c.Output} {
		if limit := g.options.Limits[dimension]; limit > 0 {
			least = max(least, float64(n)/float64(limit))
		}
	}
	return g.options.Price.Of(c), time.Duration(least * float64(time.Minute))
}
