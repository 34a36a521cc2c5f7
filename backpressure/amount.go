package backpressure

// Amount is a quantity in the three dimensions that credits have. A bound that is zero in a dimension does
// not bound it.
type Amount struct {
	Rows, Bytes, Tokens int64
}

// Plus is the sum.
func (a Amount) Plus(b Amount) Amount {
	return Amount{a.Rows + b.Rows, a.Bytes + b.Bytes, a.Tokens + b.Tokens}
}

// Minus is the difference; it may be negative.
func (a Amount) Minus(b Amount) Amount {
	return Amount{a.Rows - b.Rows, a.Bytes - b.Bytes, a.Tokens - b.Tokens}
}

// above is by how much a exceeds b, and nothing in the dimensions where it does not.
func (a Amount) above(b Amount) Amount {
	d := a.Minus(b)
	return Amount{max(0, d.Rows), max(0, d.Bytes), max(0, d.Tokens)}
}

// half is one half, rounded down.
func (a Amount) half() Amount { return Amount{a.Rows / 2, a.Bytes / 2, a.Tokens / 2} }

// over divides by n, rounded down, but to no less than one where there is anything.
func (a Amount) over(n int64) Amount {
	share := func(v int64) int64 { return max(v/n, min(v, 1)) }
	return Amount{share(a.Rows), share(a.Bytes), share(a.Tokens)}
}
