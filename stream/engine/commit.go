package engine

import (
	"encoding/binary"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
)

// commit makes the epoch current by one batch and begins its sync (I2): records, pending calls, dead letters, outbox,
// cursors, totals. What it refers to in the memo is durable before, and so is the epoch before it.
func (e *Engine) commit(g *gathered, began time.Time) error {
	epoch := e.epoch + 1
	if err := e.commitMemo(); err != nil {
		return err
	}
	e.o.Crash("commit.memo")
	g.made = e.batchBytes()
	b := e.db.State.NewBatchOf(g.made)
	for _, v := range e.evaluators {
		if err := e.putOwners(b, &v.out); err != nil {
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
	if e.spill != nil {
		if err := e.putSpill(b); err != nil {
			return err
		}
	}
	e.collectDelivered(b, g)
	if err := e.land(); err != nil {
		return err
	}
	e.totals.add(e, g)
	e.bookHeld()
	value, err := e.totals.encode()
	if err != nil {
		return err
	}
	b.Put(metaKey("totals"), value)
	if g.paused {
		putPaused(b, e.paused.Load())
	}
	if e.planDirty {
		e.graph.stored.forgetPositions(e.plan, b)
		if err := e.graph.stored.put(b); err != nil {
			return err
		}
	}
	e.o.Crash("commit.before")
	sync, err := e.db.ApplyEpoch(b, epoch)
	if err != nil {
		return err
	}
	e.epoch, e.planDirty = epoch, false
	e.flying = e.takeUp(g, sync, began)
	e.dismiss()
	e.o.Crash("commit.applied")
	return nil
}

// putOwners puts what an evaluator has made of its owners: their records, what they wait for, their dead letters.
func (e *Engine) putOwners(b *statestore.Batch, out *output) error {
	var key []byte
	for i := range out.puts {
		breathe(i)
		p := &out.puts[i]
		if key = ownerKey(key[:0], p.root, p.key); p.value == nil {
			b.Delete(key)
		} else {
			b.Put(key, p.value)
		}
	}
	for i := range out.held {
		putPending(b, &out.held[i])
	}
	return e.putLetters(b, out)
}

// dismiss lets the evaluators of the epoch go, with all that they have in memory (I9), and notes how much they have brought.
func (e *Engine) dismiss() {
	e.brought = e.brought[:0]
	for _, v := range e.evaluators {
		e.brought = append(e.brought, v.out.brought())
	}
	e.evaluators = nil
}

// batchBytes is about what the batch of this epoch takes.
func (e *Engine) batchBytes() int {
	const overhead = 64 // of a key, and of what lies around it
	n := 4 << 10
	for _, v := range e.evaluators {
		for i := range v.out.puts {
			n += len(v.out.puts[i].key) + len(v.out.puts[i].value) + overhead
		}
		for target, data := range v.out.effects {
			n += len(data) + overhead*(1+len(v.out.cuts[target]))
		}
		n += overhead * len(v.out.held)
	}
	return n
}

// commitMemo makes the answers of inline models durable (I2: before anything refers to them).
func (e *Engine) commitMemo() error {
	var all []memoWrite
	for _, v := range e.evaluators {
		all = append(all, v.out.memo...)
	}
	return e.memo.keep(all)
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
		for _, v := range e.evaluators {
			for _, data := range v.out.parts(t.index) {
				b.Put(outboxKey(t.instance, epoch, part), data)
				part++
			}
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
