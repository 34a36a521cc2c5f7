package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// openTxn is the beginning of a source transaction whose end has not come yet.
type openTxn struct {
	batches []*cdc.Batch
	bytes   int64
	stage   *statestore.StageWriter // where it goes once it is too large
	rest    *cdc.Batch              // whole transactions behind a staged one, to be taken up when that is done
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
	staged   bool // a slice of a staged transaction is among the tasks
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
	return len(g.tasks) == 0 && len(g.cursors) == 0 && len(g.feeders) == 0 && len(g.requests) == 0 && !g.swapped && !g.staged
}

// tick is how often the loop looks at what announces itself to nobody: free disk, holds that have
// lasted, a model that is gone for good.
const tick = 250 * time.Millisecond

// loop is the engine's one writer: gather, evaluate, commit, hand over.
func (e *Engine) loop(ctx context.Context) error {
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for ctx.Err() == nil {
		full, err := e.checkDisk()
		if err != nil {
			return err
		}
		if !full {
			worked, err := e.step()
			if err != nil {
				return err
			}
			e.releaseEvents()
			e.look()
			if worked {
				continue
			}
			if err := e.cleanUp(ctx); err != nil {
				return err
			}
			if done, err := e.finished(ctx); done || err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-e.wakeup:
		case <-timer.C:
			e.forsake()
			e.release()
		}
	}
	return nil
}

// step runs one epoch. worked is false where there was nothing to do.
func (e *Engine) step() (worked bool, err error) {
	g, err := e.gather()
	if err != nil {
		return false, err
	}
	if g.empty() && !e.planDirty {
		return false, e.tidy(g)
	}
	began := time.Now()
	if err := e.load(g); err != nil {
		return false, err
	}
	if err := e.evaluate(g); err != nil {
		return false, err
	}
	if err := e.commit(g); err != nil {
		return false, err
	}
	return true, e.handOver(g, time.Since(began))
}

// gather fills an epoch by group commit: whatever has come up while the one before it was being synced,
// up to a byte bound. Results are always taken; sources and backfills wait while too much is pending.
func (e *Engine) gather() (*gathered, error) {
	g := &gathered{index: map[string]*task{}, cursors: map[int]cdc.Position{}, changes: map[int]*changeCount{},
		delivery: make([][]parcel, len(e.graph.targets)), refused: make([]bool, len(e.graph.targets))}
	for _, t := range e.again {
		e.merge(g, t)
	}
	e.again = nil
	e.gatherAnswers(g)
	if err := e.gatherRejections(g); err != nil {
		return nil, err
	}
	g.requests = e.requests.take()
	for _, r := range g.requests {
		r.gather(e, g)
	}
	if blocked := e.checkOverflow(); !blocked && e.scheduler.bytes < e.budget.calls {
		if err := e.gatherChanges(g); err != nil {
			return nil, err
		}
	}
	// Live work keeps a quarter of the pool for itself, and so do backfills: neither starves the other.
	if e.scheduler.bytes < e.budget.calls-e.budget.calls/4 || e.scheduler.rest < e.budget.calls/4 {
		if err := e.gatherFeeders(g); err != nil {
			return nil, err
		}
	}
	e.swap(g)
	return g, nil
}

// gatherChanges takes a slice of the staged transaction, or else what the sources have put: what comes
// behind a large transaction waits for it.
func (e *Engine) gatherChanges(g *gathered) error {
	if e.stage == nil {
		if err := e.gatherSources(g); err != nil {
			return err
		}
	}
	if e.stage != nil {
		return e.gatherStage(g)
	}
	return nil
}

func (e *Engine) gatherSources(g *gathered) error {
	for progress := true; progress && g.bytes < e.budget.epoch; {
		progress = false
		for i, in := range e.inlets {
			b := e.open[i].rest
			if e.open[i].rest = nil; b == nil {
				b = in.take()
			}
			if b == nil {
				continue
			}
			progress = true
			if err := e.admit(g, i, b); err != nil || e.stage != nil || g.bytes >= e.budget.epoch {
				return err
			}
		}
	}
	return nil
}

// admit takes the whole transactions of a batch and keeps the beginning of the next one back (I11). One
// that is too large for an epoch, or that empties a collection, is staged.
func (e *Engine) admit(g *gathered, source int, b *cdc.Batch) error {
	from := 0
	for _, txn := range b.Txns() {
		if err := e.admitTxn(g, source, b, from, txn); err != nil {
			return err
		}
		from = txn.End
		if e.stage != nil {
			break // what comes behind waits
		}
	}
	open := &e.open[source]
	if e.stage != nil && from < b.Len() {
		open.rest = restOf(b, from)
	} else if from < b.Len() {
		rest := b
		if from > 0 {
			rest = restOf(b, from)
		}
		open.batches, open.bytes = append(open.batches, rest), open.bytes+rest.Bytes()
		if len(b.Txns()) == 0 && (open.stage != nil || open.bytes > e.budget.txn) {
			return e.stageOpen(source)
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
	if open.stage != nil || size > e.budget.txn && txn.End-from+len(open.batches) > 1 || truncates(open.batches, b, from, txn.End) {
		if err := e.stageOpen(source); err != nil {
			return err
		}
		if err := e.stageRange(source, b, from, txn.End); err != nil {
			return err
		}
		return e.stageClose(g, source, txn.Position)
	}
	count := e.count(g, source)
	for _, held := range open.batches {
		for i := range held.Len() {
			c := held.At(i)
			e.addChange(g, source, &c, txn.Position, count, false)
		}
		g.batches = append(g.batches, takenBatch{in: e.inlets[source], batch: held})
	}
	for i := from; i < txn.End; i++ {
		c := b.At(i)
		e.addChange(g, source, &c, txn.Position, count, false)
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

// load reads the records of the epoch's owners, in key order.
func (e *Engine) load(g *gathered) error {
	keys := make([][]byte, len(g.tasks))
	order := make([]int, len(g.tasks))
	for i, t := range g.tasks {
		keys[i], order[i] = ownerKey(nil, t.root, t.key), i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(keys[a], keys[b]) })
	sorted, tasks := make([][]byte, len(order)), make([]*task, len(order))
	for i, at := range order {
		sorted[i], tasks[i] = keys[at], g.tasks[at]
	}
	g.tasks = tasks
	var block arena
	return e.db.State.GetSorted(sorted, func(i int, value []byte, ok bool) error {
		if ok {
			tasks[i].stored = block.copy(value)
		}
		return nil
	})
}

// parallelFrom is the number of owners from which an epoch is spread over the cores.
const parallelFrom = 64

// evaluate runs the workers over the epoch's owners, each over a contiguous range of keys.
func (e *Engine) evaluate(g *gathered) error {
	n := 1
	if len(g.tasks) >= parallelFrom {
		n = runtime.GOMAXPROCS(0)
	}
	e.workers = e.workers[:0]
	listening, taps := e.events.listening(), e.taps.wanted(len(e.plan.Collections))
	for range n {
		w := newWorker(e.graph, e.memo)
		w.listening, w.taps = listening, taps
		w.epoch, w.now = e.epoch+1, time.Now().UnixMicro()
		e.workers = append(e.workers, w)
	}
	faults := make([]error, n)
	var wg sync.WaitGroup
	for i, w := range e.workers {
		tasks := g.tasks[len(g.tasks)*i/n : len(g.tasks)*(i+1)/n]
		run := func() {
			for _, t := range tasks {
				if faults[i] = w.evaluate(t); faults[i] != nil {
					return
				}
			}
		}
		if n == 1 {
			run()
		} else {
			wg.Go(run)
		}
	}
	wg.Wait()
	return errors.Join(faults...)
}

// commit makes the epoch current by one synced batch (I2): records, pending calls, dead letters, outbox,
// cursors, totals. What it refers to in the memo is durable before.
func (e *Engine) commit(g *gathered) error {
	epoch := e.epoch + 1
	if err := e.commitMemo(); err != nil {
		return err
	}
	e.o.Crash("commit.memo")
	b := e.db.State.NewBatch()
	for _, w := range e.workers {
		for i := range w.out.puts {
			p := &w.out.puts[i]
			if p.value == nil {
				b.Delete(ownerKey(nil, p.root, p.key))
			} else {
				b.Put(ownerKey(nil, p.root, p.key), p.value)
			}
		}
		for i := range w.out.held {
			putPending(b, &w.out.held[i])
		}
		if err := e.putLetters(b, &w.out); err != nil {
			return err
		}
	}
	e.removeOrphans()
	if err := e.resolveShared(b); err != nil {
		return err
	}
	e.putDirty(b, g)
	e.putOutbox(b, epoch)
	for name := range e.accepts {
		if e.accepts[name] && e.caughtUp(name) {
			b.Delete(acceptKey(name)) // once
			e.accepts[name] = false
		}
	}
	for source, position := range g.cursors {
		b.Put(metaKey("cursor/"+e.plan.Sources[source].Name), []byte(position))
	}
	for i := range g.feeders {
		g.feeders[i].put(e, b)
	}
	if e.stage != nil {
		if err := e.putStage(b); err != nil {
			return err
		}
	}
	e.collectDelivered(b, g)
	e.totals.add(e, g)
	value, err := e.totals.encode()
	if err != nil {
		return err
	}
	b.Put(metaKey("totals"), value)
	if e.planDirty {
		e.graph.stored.forgetPositions(e.plan, b)
		if err := e.graph.stored.put(b); err != nil {
			return err
		}
	}
	e.o.Crash("commit.before")
	if err := e.db.CommitEpoch(b, epoch); err != nil {
		return fmt.Errorf("commit epoch %d: %w", epoch, err)
	}
	e.epoch, e.planDirty = epoch, false
	e.o.Crash("commit.after")
	return nil
}

// commitMemo makes the answers of inline models durable (I2: before anything refers to them).
func (e *Engine) commitMemo() error {
	var entries []statestore.Entry
	for _, w := range e.workers {
		for _, m := range w.out.memo {
			entries = append(entries, statestore.Entry{Fingerprint: statestore.Fingerprint(m.call), Value: m.value})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if err := e.db.Memo.Put(entries); err != nil {
		return fmt.Errorf("remember results: %w", err)
	}
	for i := range entries {
		e.memo.learn(stream.Fingerprint(entries[i].Fingerprint))
	}
	return nil
}

// pendingKey marks an owner that waits at an expensive step, so that a start finds it without reading
// every record.
func pendingKey(r *root, key cdc.Key, instance uint32) []byte {
	return statestore.AppendKey(nil, statestore.Key{VNode: vnode, Space: statestore.SpacePending, Instance: r.instance, Owner: key,
		Child: binary.BigEndian.AppendUint32(nil, instance)})
}

func putPending(b *statestore.Batch, h *hold) {
	key := pendingKey(h.root, h.key, h.node.instance)
	if len(h.wants) == 0 && !h.again {
		b.Delete(key)
	} else {
		b.Put(key, nil)
	}
}

// putOutbox writes what the sinks are to be told.
func (e *Engine) putOutbox(b *statestore.Batch, epoch uint64) {
	for _, t := range e.graph.targets {
		part := uint32(0)
		for _, w := range e.workers {
			if len(w.out.effects[t.index]) == 0 {
				continue
			}
			b.Put(outboxKey(t.instance, epoch, part), w.out.effects[t.index])
			part++
		}
	}
}

// collectDelivered removes what has been delivered, and notes how far each target is.
func (e *Engine) collectDelivered(b *statestore.Batch, g *gathered) {
	for i, parcels := range g.delivery {
		t := e.graph.targets[i]
		for _, p := range parcels {
			for part := range p.keys {
				b.Delete(outboxKey(t.instance, p.epoch, uint32(part)))
			}
		}
		if n := len(parcels); n > 0 {
			putUint(b, appliedKey(t.instance), parcels[n-1].epoch)
		}
	}
}

// tidy removes delivered outbox entries while there is nothing else to do. It need not be durable: what
// comes back after a crash is delivered once more.
func (e *Engine) tidy(g *gathered) error {
	any := false
	for _, parcels := range g.delivery {
		any = any || len(parcels) > 0
	}
	if !any {
		return nil
	}
	b := e.db.State.NewBatch()
	e.collectDelivered(b, g)
	return e.db.State.Commit(b, false)
}
