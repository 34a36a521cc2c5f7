package engine

import (
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
)

// openTxn is the beginning of a source transaction whose end has not come yet.
type openTxn struct {
	batches []*cdc.Batch
	bytes   int64
	spill   *statestore.SpillWriter // where it goes once it is too large
	rest    *cdc.Batch              // whole transactions behind a spilled one, to be taken up when that is done
}

// gathered is what one epoch takes up.
type gathered struct {
	tasks    []*task
	index    map[string]*task // by root and key
	batches  []takenBatch
	cursors  map[int]cdc.Position
	changes  map[int]*changeCount // by source
	bytes    int64
	feeders  []feederMove
	requests []*request
	delivery [][]parcel // delivered, by target
	cleaned  [][]byte   // marks of dirty owners that are among the tasks
	refused  []bool     // targets whose rejections are among the tasks
	swapped  bool
	made     int  // bytes of the batch that the epoch commits
	paused   bool // a pause begins or ends
	spilled  bool // a slice of a spilled transaction is among the tasks
}

type takenBatch struct {
	in    *inlet
	batch *cdc.Batch
}

type changeCount struct {
	byOp   [8]int64
	last   int64 // newest source commit time
	caught bool  // the source has handed over what it held at the start
}

func (g *gathered) empty() bool {
	return len(g.tasks) == 0 && len(g.cursors) == 0 && len(g.feeders) == 0 && len(g.requests) == 0 && !g.swapped && !g.spilled
}

func newGathered(targets int) *gathered {
	return &gathered{index: map[string]*task{}, cursors: map[int]cdc.Position{}, changes: map[int]*changeCount{},
		delivery: make([][]parcel, targets), refused: make([]bool, targets)}
}

// gather fills an epoch by group commit: whatever has come up while the one before it was being synced,
// up to a byte bound. Results are always taken; sources and backfills wait while too much is pending. Another
// call for the same epoch adds what has come up since.
func (e *Engine) gather(g *gathered) error {
	for _, t := range e.again {
		e.merge(g, t)
	}
	e.again = nil
	if err := e.gatherAnswers(g); err != nil {
		return err
	}
	if err := e.gatherRejections(g); err != nil {
		return err
	}
	requests := e.requests.take()
	for _, r := range requests {
		r.gather(e, g)
	}
	g.requests = append(g.requests, requests...)
	crowded := e.crowded()
	if blocked := e.checkOverflow(); !blocked && !crowded && e.scheduler.bytes < e.budget.calls {
		if err := e.gatherChanges(g); err != nil {
			return err
		}
	}
	// Live work keeps a quarter of the pool for itself, and so do backfills: neither starves the other.
	if !crowded && (e.scheduler.bytes < e.budget.calls-e.budget.calls/4 || e.scheduler.rest < e.budget.calls/4) {
		if err := e.gatherFeeders(g); err != nil {
			return err
		}
	}
	e.swap(g)
	return nil
}

// gatherChanges takes a slice of the spilled transaction, or else what the sources have put: what comes
// behind a large transaction waits for it, and everything for the end of a pause.
func (e *Engine) gatherChanges(g *gathered) error {
	if e.spill == nil && !e.paused.Load() {
		if err := e.gatherSources(g); err != nil {
			return err
		}
	}
	if e.spill != nil && !g.spilled { // one slice an epoch: what it empties is looked up in the state
		return e.gatherSpill(g)
	}
	return nil
}

func (e *Engine) gatherSources(g *gathered) error {
	for progress := true; progress && g.bytes < e.room; {
		progress = false
		for k := range e.inlets { // another one is the first in each epoch: none fills all of them
			i := (k + int(e.epoch%uint64(len(e.inlets)))) % len(e.inlets)
			in := e.inlets[i]
			b := e.open[i].rest
			if e.open[i].rest = nil; b == nil {
				b = in.take()
			}
			if b == nil {
				continue
			}
			progress = true
			if err := e.admit(g, i, b); err != nil || e.spill != nil || g.bytes >= e.room {
				return err
			}
		}
	}
	return nil
}

// admit takes the whole transactions of a batch and keeps the beginning of the next one back (I11). One
// that is too large for an epoch, or that empties a collection, is spilled.
func (e *Engine) admit(g *gathered, source int, b *cdc.Batch) error {
	from, full := 0, false
	for _, txn := range b.Txns() {
		if err := e.admitTxn(g, source, b, from, txn); err != nil {
			return err
		}
		from = txn.End
		if full = e.spill != nil || g.bytes >= e.room; full {
			break // what comes behind waits
		}
	}
	open := &e.open[source]
	if full && from < b.Len() {
		open.rest = restOf(b, from)
	} else if from < b.Len() {
		rest := b
		if from > 0 {
			rest = restOf(b, from)
		}
		open.batches, open.bytes = append(open.batches, rest), open.bytes+rest.Bytes()
		if len(b.Txns()) == 0 && (open.spill != nil || open.bytes > e.budget.txn) {
			return e.openSpill(source)
		}
	}
	if from > 0 {
		g.batches = append(g.batches, takenBatch{in: e.inlets[source], batch: b})
	}
	return nil
}

// admitTxn takes one transaction, which ends in b and began at from or in batches before.
func (e *Engine) admitTxn(g *gathered, source int, b *cdc.Batch, from int, txn cdc.Txn) error {
	open := &e.open[source]
	size := open.bytes + b.Bytes()*int64(txn.End-from)/int64(max(b.Len(), 1))
	if open.spill != nil || size > e.budget.txn && txn.End-from+len(open.batches) > 1 || truncates(open.batches, b, from, txn.End) {
		if err := e.openSpill(source); err != nil {
			return err
		}
		if err := e.spillRange(source, b, from, txn.End); err != nil {
			return err
		}
		return e.closeSpill(g, source, txn.Position)
	}
	count, origin := e.count(g, source), e.originOf(source, txn.Position)
	for _, held := range open.batches {
		for i := range held.Len() {
			c := held.At(i)
			if err := e.addChange(g, source, &c, origin, count, false); err != nil {
				return err
			}
		}
		g.batches = append(g.batches, takenBatch{in: e.inlets[source], batch: held})
	}
	for i := from; i < txn.End; i++ {
		c := b.At(i)
		if err := e.addChange(g, source, &c, origin, count, false); err != nil {
			return err
		}
	}
	g.cursors[source] = txn.Position
	g.bytes += size
	*open = openTxn{}
	return nil
}

func truncates(open []*cdc.Batch, b *cdc.Batch, from, to int) bool {
	for _, held := range open {
		for i := range held.Len() {
			if held.At(i).Op == cdc.Truncate {
				return true
			}
		}
	}
	for i := from; i < to; i++ {
		if b.At(i).Op == cdc.Truncate {
			return true
		}
	}
	return false
}

// restOf copies the changes of a batch from an index on, with the ends of their transactions.
func restOf(b *cdc.Batch, from int) *cdc.Batch {
	rest := &cdc.Batch{}
	txns := b.Txns()
	for i := from; i < b.Len(); i++ {
		rest.Add(b.At(i))
		for _, txn := range txns {
			if txn.End == i+1 {
				rest.Commit(txn.Position, txn.Time)
			}
		}
	}
	return rest
}

// count is where the changes of a source are counted in this epoch.
func (e *Engine) count(g *gathered, source int) *changeCount {
	if g.changes[source] == nil {
		c := &changeCount{}
		c.caught, _ = e.inlets[source].caught()
		g.changes[source] = c
	}
	return g.changes[source]
}
