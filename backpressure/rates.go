package backpressure

import (
	"time"
)

// Dimension is what a rate is about.
type Dimension uint8

// The dimensions in which servers limit: requests, all tokens, tokens sent, tokens received.
const (
	Requests Dimension = iota
	Tokens
	InputTokens
	OutputTokens
	dimensions
)

// Limits are rates per minute by dimension; zero is no limit.
type Limits [dimensions]int64

const (
	// rateShare is the part of a limit that is used, so that with the burst no window of a minute holds
	// more than the limit.
	rateShare = 0.95
	// burstShare is the part of a limit that may go at once.
	burstShare = 0.05
	// quantum is the part of a burst from which on a request is worth sending while more work waits: a
	// request for every single token that comes back would be a request for every text.
	quantum = 4
)

// Announcement is what a server says about a limit of its own in the headers of a reply.
type Announcement struct {
	Dimension Dimension
	Limit     int64
	Remaining int64
	Reset     time.Duration // until all of the limit is there again; 0 when it does not say
}

// rates holds requests to the limits of the flow and to those that the server announces: all of them or
// none, so that no request holds a part of what another one waits for.
type rates struct {
	own       [dimensions]meter
	announced [dimensions]announced
}

// announced follows the server's own count: it is tightened by headers at once, and loosened by time only.
type announced struct {
	meter
	full   time.Time // by the server's word, nothing is owed from then on; zero: no word
	unseen int64     // reserved by requests that are not answered: the server may not have counted them
	others others
}

func newRates(l Limits) rates {
	var r rates
	for d, limit := range l {
		if limit > 0 {
			perSecond := float64(limit) * rateShare / 60
			r.own[d] = newMeter(perSecond, max(1, float64(limit)*burstShare))
		}
	}
	return r
}

// of is what a request of that cost takes in a dimension.
func (d Dimension) of(c Cost) int64 {
	switch d {
	case Requests:
		return 1
	case Tokens:
		return c.Input + c.Output
	case InputTokens:
		return c.Input
	}
	return c.Output
}

// each calls fn for every meter that holds.
func (r *rates) each(fn func(d Dimension, m *meter)) {
	for d := range dimensions {
		if r.own[d].on() {
			fn(d, &r.own[d])
		}
		if r.announced[d].on() {
			fn(d, &r.announced[d].meter)
		}
	}
}

// wait is how long a request has to wait of which first is the smallest part and want what could be sent:
// as long as first takes, or as a quantum takes where there is so much to send.
func (r *rates) wait(now time.Time, first, want Cost) time.Duration {
	r.refill(now)
	longest := time.Duration(0)
	r.each(func(d Dimension, m *meter) {
		worth := max(d.of(first), min(d.of(want), m.cells()/quantum))
		longest = max(longest, m.wait(now, worth))
	})
	return longest
}

// cells is how many units a full meter holds.
func (m *meter) cells() int64 { return int64(m.burst / m.each) }

// left is what a request may take now in each dimension of tokens; unbounded where there is no limit.
func (r *rates) left(now time.Time) Limits {
	left := Limits{}
	for d := range left {
		left[d] = unbounded
	}
	r.each(func(d Dimension, m *meter) { left[d] = min(left[d], m.room(now)) })
	return left
}

// reserve takes the cost of a request that is about to be sent.
func (r *rates) reserve(now time.Time, c Cost) {
	r.each(func(d Dimension, m *meter) { m.take(now, d.of(c)) })
	for d := range r.announced {
		n := Dimension(d).of(c)
		r.announced[d].unseen += n
		r.announced[d].others.ours += n
	}
}

// settle replaces what was reserved by what the request took. The request itself is never given back.
func (r *rates) settle(reserved, actual Cost) {
	r.each(func(d Dimension, m *meter) {
		if d != Requests {
			m.give(d.of(reserved) - d.of(actual))
		}
	})
	for d := range r.announced {
		r.announced[d].unseen -= Dimension(d).of(reserved)
	}
}

// sync takes the server's word. A limit that it has not named before begins to hold.
func (r *rates) sync(now time.Time, all []Announcement) {
	for _, a := range all {
		if a.Limit <= 0 || a.Dimension >= dimensions || a.Remaining < 0 {
			continue
		}
		m := &r.announced[a.Dimension]
		m.others.note(now, a, m.unseen)
		m.set(now, m.others.leave(a.perSecond())*rateShare, float64(a.Limit))
		m.tighten(now, max(0, a.Remaining-m.unseen))
		m.full = time.Time{}
		if a.Reset > 0 {
			m.full = now.Add(a.Reset)
		}
	}
}

// refill fills the meters of which the server has said when they are full. What was reserved since is
// still owed.
func (r *rates) refill(now time.Time) {
	for d := range r.announced {
		m := &r.announced[d]
		if m.full.IsZero() || now.Before(m.full) {
			continue
		}
		m.full = time.Time{}
		if full := now.Add(m.cost(m.unseen)); full.Before(m.tat) {
			m.tat = full
		}
	}
}

// perSecond is the rate at which a limit comes back: over a minute, unless the time to its reset says that
// it is slower by far. Some servers count by the day under the same names.
func (a Announcement) perSecond() float64 {
	minute := float64(a.Limit) / 60
	if used := a.Limit - a.Remaining; used > 0 && a.Reset > 0 {
		if seen := float64(used) / a.Reset.Seconds(); seen < minute/2 {
			return seen
		}
	}
	return minute
}

// unbounded stands for no limit.
const unbounded = int64(1) << 60
