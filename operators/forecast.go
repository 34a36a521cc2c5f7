package operators

import (
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/stream"
)

var (
	_ stream.Forecasting = (*Remote)(nil)
	_ stream.Forecasting = (*Generative)(nil)
)

// Tokens implements stream.Forecasting.
func (r *asker) Tokens(input []byte) (sent, received int64) {
	c := r.answerer.Cost(accel.Asked{Text: string(input)})
	return c.Input, c.Output
}

// Forecast implements stream.Forecasting.
func (r *asker) Forecast(calls, sent, received int64) (usd float64, least time.Duration) {
	money, least := r.current().Forecast(backpressure.Cost{Rows: calls, Input: sent, Output: received})
	return money.USD(), least
}
