package backpressure

import "time"

// Spending is what has to outlive the process: what was used since the beginning, what the day has cost,
// and until when the server wants to be left alone.
type Spending struct {
	Input  int64 `json:"input"`  // tokens
	Output int64 `json:"output"` // tokens
	Total  Money `json:"total"`
	// Day is the UTC day that Today belongs to, counted from 1970. Today is what was spent in it, with what
	// requests in flight may still cost: after a crash nobody knows what they did.
	Day       int64     `json:"day"`
	Today     Money     `json:"today"`
	NotBefore time.Time `json:"not_before,omitzero"`
}

// purse is the budget of a day. What is in flight counts with its estimate, which is an upper bound.
type purse struct {
	price   Price
	daily   Money // where it is bounded
	spent   Spending
	held    Money // estimates of what is in flight
	kept    Money // what of Today is durable: up to it nothing has to be written before a request
	short   bool  // the last request that was asked for did not fit
	bounded bool
}

func newPurse(p Price, daily *Money, last Spending) purse {
	b := purse{price: p, spent: last, kept: last.Today}
	if daily != nil {
		b.daily, b.bounded = *daily, true
	}
	return b
}

func dayOf(now time.Time) int64 { return now.Unix() / 86400 }

// turn begins a new day when it is time. What is in flight is of the day in which it was admitted.
func (b *purse) turn(now time.Time) {
	if day := dayOf(now); day != b.spent.Day {
		b.spent.Day, b.spent.Today, b.kept, b.short = day, 0, 0, false
	}
}

// left is what may still be spent today.
func (b *purse) left(now time.Time) Money {
	b.turn(now)
	if !b.bounded {
		return Money(unbounded)
	}
	return max(0, b.daily-b.spent.Today-b.held)
}

// tomorrow is how long the day still lasts.
func tomorrow(now time.Time) time.Duration {
	return time.Unix((dayOf(now)+1)*86400, 0).Sub(now)
}

// hold sets the estimate of a request aside.
func (b *purse) hold(c Cost) Money {
	m := b.price.Of(c)
	b.held += m
	b.short = false
	return m
}

// settle replaces an estimate by what was charged. A reply that comes after midnight counts for the new
// day: the sum of a day is that of its replies.
func (b *purse) settle(now time.Time, held Money, used Cost) {
	b.turn(now)
	b.held -= held
	cost := b.price.Of(used)
	b.spent.Input += used.Input
	b.spent.Output += used.Output
	b.spent.Total += cost
	b.spent.Today += cost
}

// unkept reports whether a request would be sent before what it may cost is durable.
func (b *purse) unkept() bool { return b.bounded && b.spent.Today+b.held > b.kept }

// ahead is how much more than needed is made durable at once, so that not every request waits for a sync.
func (b *purse) ahead() Money {
	return min(b.daily/keepShare, max(0, b.daily-b.spent.Today-b.held))
}

// keepShare says which part of a day's budget a crash may cost at most: one fiftieth.
const keepShare = 50

// record is what is to be durable now. Where a budget has to hold, what is in flight counts as spent.
func (b *purse) record(ahead Money) Spending {
	s := b.spent
	if b.bounded {
		s.Today += b.held + ahead
	}
	return s
}
