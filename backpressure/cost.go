package backpressure

// Cost is what a request takes of the rates and of the money: an upper bound before it is sent, what the
// server says afterwards.
type Cost struct {
	Rows   int64
	Input  int64 // tokens sent
	Output int64 // tokens received
}

// Plus is the sum.
func (c Cost) Plus(d Cost) Cost { return Cost{c.Rows + d.Rows, c.Input + d.Input, c.Output + d.Output} }

// Price is what a token costs, in picodollars (1e-12 USD).
type Price struct {
	Input, Output int64
}

// PriceOf makes a price of US dollars for a million tokens.
func PriceOf(input, output float64) Price {
	const picoPerToken = 1e12 / 1e6
	return Price{Input: int64(input*picoPerToken + 0.5), Output: int64(output*picoPerToken + 0.5)}
}

// Of is what c costs.
func (p Price) Of(c Cost) Money { return Money(p.Input*c.Input + p.Output*c.Output) }

// Money is a sum in picodollars, so that sums are exact; it holds nine million dollars.
type Money int64

// MoneyOf makes a sum of US dollars.
func MoneyOf(usd float64) Money { return Money(usd*1e12 + 0.5) }

// USD is the sum in US dollars.
func (m Money) USD() float64 { return float64(m) / 1e12 }
