package accel

import (
	"cmp"
	"slices"
	"time"
)

// piece is what remains of a request that was not answered: calls that go out again together, at most
// limit at a time. Halving the limit is how a rejected text, or one that breaks the server, is
// separated from its siblings.
type piece struct {
	calls []*call
	limit int
	due   time.Time
	delay time.Duration // the back-off that led to due; the next one grows from it
	retry bool          // an outage ended the request: what is sent again counts as a retry
}

// duePieceLocked returns the piece that is to go next, or how long the first one has to wait. Of those that
// are due the one that is cut smallest goes first, so that a rejected text is found before another search
// for one begins; then the one that has waited longest.
func (b *Batcher) duePieceLocked(now time.Time) (*piece, time.Duration) {
	var next *piece
	wait := never
	for _, p := range b.pieces {
		switch left := p.due.Sub(now); {
		case left > 0 && (wait == never || left < wait):
			wait = left
		case left <= 0 && (next == nil || cmp.Or(cmp.Compare(p.limit, next.limit), p.due.Compare(next.due)) < 0):
			next = p
		}
	}
	if next != nil {
		wait = 0
	}
	return next, wait
}

// dropPieceLocked removes calls from the front of a piece, and the piece when none is left.
func (b *Batcher) dropPieceLocked(p *piece, n int) {
	for _, c := range p.calls[:n] {
		c.piece, c.place = nil, inFlight
	}
	p.calls = slices.Delete(p.calls, 0, n)
	b.dropEmptyLocked(p)
}

func (b *Batcher) leavePieceLocked(c *call) {
	p := c.piece
	p.calls = remove(p.calls, c)
	c.piece, c.place = nil, inFlight
	b.dropEmptyLocked(p)
}

func (b *Batcher) dropEmptyLocked(p *piece) {
	if len(p.calls) == 0 {
		b.pieces = slices.DeleteFunc(b.pieces, func(x *piece) bool { return x == p })
	}
}
