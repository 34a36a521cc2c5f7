package backpressure

import (
	"math"
	"time"
)

const (
	// othersEvery is the least time over which is seen what others take of a limit, and othersMemory how long
	// it takes to forget two thirds of it.
	othersEvery  = time.Second
	othersMemory = 5 * time.Second
	// othersLeast is the part of a limit that is always tried for.
	othersLeast = 0.05
)

// others estimates what other clients of the same account take of a limit: by how much less remains than
// what had remained before, with what came back and without what was ours.
type others struct {
	at        time.Time
	remaining int64
	unseen    int64
	ours      int64 // reserved since then
	rate      float64
}

// note takes the server's word.
func (o *others) note(now time.Time, a Announcement, unseen int64) {
	since := now.Sub(o.at)
	if !o.at.IsZero() && since < othersEvery {
		return
	}
	if !o.at.IsZero() {
		counted := o.ours + o.unseen - unseen
		left := float64(o.remaining-counted) + a.perSecond()*since.Seconds()
		taken := max(0, min(left, float64(a.Limit))-float64(a.Remaining)) / since.Seconds()
		o.rate += (taken - o.rate) * (1 - math.Exp(-since.Seconds()/othersMemory.Seconds()))
	}
	o.at, o.remaining, o.unseen, o.ours = now, a.Remaining, unseen, 0
}

// leave is what is left of a rate for us.
func (o *others) leave(perSecond float64) float64 {
	return max(perSecond-o.rate, perSecond*othersLeast)
}
