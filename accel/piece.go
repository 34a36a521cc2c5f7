package accel

import (
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

// duePieceLocked returns the piece that has waited longest, or how long the next one has to wait.
func (b *Batcher) duePieceLocked(now time.Time) (*piece, time.Duration) {
	if len(b.pieces) == 0 {
		return nil, never
	}
	first := slices.MinFunc(b.pieces, func(x, y *piece) int { return x.due.Compare(y.due) })
	if wait := first.due.Sub(now); wait > 0 {
		return nil, wait
	}
	return first, 0
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
