package backpressure

import "slices"

const (
	// remembered is how many answers tell what the next one will come to, and enough how many have to.
	remembered = 64
	enough     = 10
	// margin is put on the 95th percentile of them.
	margin = 1.2
)

// expectation learns how many tokens an answer has, so that rates are not reserved for the longest answer
// that is allowed. Money is: a budget has to hold whatever the answers are.
type expectation struct {
	seen [remembered]int64
	n    int
	most int64 // what an answer is expected to have at most; 0: not known yet
}

// learn notes the tokens of an answer to one row.
func (e *expectation) learn(tokens int64) {
	e.seen[e.n%remembered] = tokens
	e.n++
	if e.n < enough {
		return
	}
	sorted := slices.Sorted(slices.Values(e.seen[:min(e.n, remembered)]))
	e.most = int64(margin*float64(sorted[len(sorted)*95/100])) + 1
}

// of is what a request of that cost is expected to take of the rates.
func (e *expectation) of(c Cost) Cost {
	if e.most > 0 {
		c.Output = min(c.Output, c.Rows*e.most)
	}
	return c
}
