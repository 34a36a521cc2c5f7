package engine

import (
	"slices"
	"time"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// inFlight is an epoch that all reads and the loop's own memory know, and whose sync is under way. The next one is
// gathered and evaluated meanwhile; nothing of this one leaves the process before it lands (I1, I2).
type inFlight struct {
	sync    *statestore.EpochSync
	g       *gathered
	began   time.Time
	view    view
	parcels []parcel // by target
	submit  map[*modelRun][]stream.Call
	drop    map[*modelRun][]stream.Fingerprint
	changes []ChangeEvent
	tapped  []tapped

	endsSpill bool // its slice is the last of a spilled transaction
}

// overlapFrom is the number of owners from which an epoch is evaluated while the one before it is synced. Fewer wait
// for it, and for what comes up meanwhile: a sync of their own would delay that.
const overlapFrom = 256

// overlaps reports whether an epoch is made beside the one in flight. I9: two large ones would be in memory at once.
func (e *Engine) overlaps(g *gathered) bool {
	return len(g.tasks) >= overlapFrom && int64(e.flying.g.made) <= e.budget.made/4
}

// waits reports whether the epoch lands before anything else is looked at: somebody waits for what it says, or the loop
// goes on from what only a durable epoch may have done.
func (g *gathered) waits() bool {
	return len(g.requests) > 0 || g.swapped || g.spilled || g.paused || slices.Contains(g.refused, true)
}

// land waits until the epoch in flight is durable, and hands it over.
func (e *Engine) land() error {
	f := e.flying
	if f == nil {
		return nil
	}
	e.flying = nil
	f.sync.Wait()
	e.o.Crash("commit.after")
	return e.handOver(f)
}

// settled reports whether a target holds all effects up to an epoch.
func (e *Engine) settled(t *target, epoch uint64) bool {
	return epoch <= e.landed() && t.delivery != nil && t.delivery.settled(epoch)
}

// landed is the newest epoch that the deliveries know.
func (e *Engine) landed() uint64 {
	if e.flying != nil {
		return e.epoch - 1
	}
	return e.epoch
}
