package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// feeder walks stored keys in slices and makes tasks of them, behind live work: owners that wait for
// calls since before the start, dead letters to be tried again, rows to be evaluated under new logic.
type feeder struct {
	kind     feederKind
	root     *root   // nil of feedDirty
	target   *target // of feedDirty
	next     []byte  // key to go on from
	to       []byte
	finished bool

	fed    int64     // rows looked at, by all runs
	before int64     // of those, by earlier ones
	began  time.Time // when this run looked at the first
}

type feederKind uint8

const (
	feedPending  feederKind = iota // the pending index, once after a start
	feedBackfill                   // the owners' records, after a change of logic
	feedSweep                      // owners that a rescan of the source has not met
	feedVanish                     // owners of a source that has left the flow
	feedDirty                      // owners whose effects a target was not told of
)

// feederMove is what one epoch took from a feeder; with the epoch it becomes durable.
type feederMove struct {
	at   int // index into Engine.feeders
	next []byte
	rows int
	done bool
}

// feederRows bounds one epoch's slice of a feeder, and feederShare the part of an epoch's bytes that it may
// add when live work fills the epoch.
const (
	feederRows  = 2048
	feederShare = 8
)

func (e *Engine) gatherFeeders(g *gathered) error {
	if len(g.feeders) > 0 {
		return nil // one slice an epoch
	}
	for i := range e.feeders {
		f := &e.feeders[i]
		if f.finished {
			continue
		}
		if f.kind == feedSweep && !e.sourceCaught(f.root) {
			continue
		}
		if f.kind == feedDirty && f.target.overflow {
			continue
		}
		feed := e.feed
		if f.kind == feedDirty {
			feed = e.feedDirtyOwners
		}
		move, err := feed(g, i)
		if err != nil {
			return fmt.Errorf("read stored rows: %w", err)
		}
		g.feeders = append(g.feeders, move)
		return nil
	}
	return nil
}

func (e *Engine) sourceCaught(r *root) bool {
	caught, _ := e.inlets[r.source].caught()
	return caught
}

// feed takes one slice.
func (e *Engine) feed(g *gathered, at int) (feederMove, error) {
	f := &e.feeders[at]
	if f.began.IsZero() {
		f.began = time.Now()
	}
	rows, size, done := 0, int64(0), true
	room := max(e.room-g.bytes, e.room/feederShare)
	var rec record
	next := f.next
	err := e.db.State.Scan(f.next, f.to, func(key, value []byte) error {
		if rows >= feederRows || size >= room {
			done = false
			return statestore.ErrStop
		}
		next = append(bytes.Clone(key), 0)
		rows++
		size += int64(len(value)) + 64
		k, err := statestore.ParseKey(key)
		if err != nil {
			return err
		}
		t := &task{root: f.root, key: cdc.Key(bytes.Clone(k.Owner)), force: true}
		switch f.kind {
		case feedBackfill, feedSweep:
			if err := rec.decode(value); err != nil {
				return err
			}
			if rec.plan == e.graph.stored.Number {
				return nil
			}
			if f.kind == feedSweep && rec.exists {
				t.changed, t.op, t.origin, t.time = true, cdc.Delete, rec.origin, rec.time
			}
		case feedVanish:
			t.changed, t.op = true, cdc.Delete
		case feedPending:
			if e.waits(f.root, k) {
				return nil
			}
		}
		e.merge(g, t)
		return nil
	})
	return feederMove{at: at, next: next, rows: rows, done: done}, err
}

// waits reports whether the loop already knows that the owner of a pending key waits.
func (e *Engine) waits(r *root, k statestore.Key) bool {
	if len(k.Child) != 4 {
		return false
	}
	n := e.graph.callOf(binary.BigEndian.Uint32(k.Child))
	if n == nil {
		return false
	}
	_, ok := e.scheduler.waiting[waitKey{root: r.index, node: n.index, key: string(k.Owner)}]
	return ok
}

func backfillKey(root string) []byte { return metaKey("backfill/" + root) }

// put makes the progress of a feeder durable with the epoch that it fed.
func (m *feederMove) put(e *Engine, b *statestore.Batch) {
	f := &e.feeders[m.at]
	f.next, f.finished, f.fed = m.next, m.done, f.fed+int64(m.rows)
	if f.kind == feedPending || f.kind == feedDirty {
		return
	}
	if !m.done {
		if f.kind == feedBackfill {
			b.Put(backfillKey(f.root.name), append(binary.BigEndian.AppendUint64(nil, uint64(f.fed)), m.next...))
		}
		return
	}
	b.Delete(backfillKey(f.root.name))
	e.planDirty = true
	if f.kind == feedVanish {
		delete(e.graph.stored.Vanished, f.root.name)
		return
	}
	r := e.graph.stored.Roots[f.root.name]
	r.Backfill = ""
	e.graph.stored.Roots[f.root.name] = r
}

// restore brings back what the loop keeps in memory.
func (e *Engine) restore() error {
	e.cursors, e.accepts = make([]cdc.Position, len(e.plan.Sources)), map[string]bool{}
	for i, s := range e.plan.Sources {
		accepted, err := e.db.State.Has(acceptKey(s.Name))
		if err != nil {
			return err
		}
		e.accepts[s.Name] = accepted
		value, _, err := e.db.State.Get(metaKey("cursor/" + s.Name))
		if err != nil {
			return err
		}
		e.cursors[i] = cdc.Position(value)
	}
	if err := e.restorePaused(); err != nil {
		return err
	}
	e.restoreProbes()
	if err := e.totals.load(e.db); err != nil {
		return err
	}
	if err := e.totals.recount(e.db); err != nil {
		return err
	}
	e.began = e.totals.clone()
	if err := e.restoreModels(); err != nil {
		return err
	}
	if err := e.restoreSpill(); err != nil {
		return err
	}
	for _, t := range e.graph.targets {
		if err := e.restoreOutbox(t); err != nil {
			return err
		}
		e.addDirtyFeeder(t)
	}
	for _, r := range e.graph.roots {
		if err := e.restoreFeeders(r); err != nil {
			return err
		}
	}
	return e.restoreRetries()
}

func (e *Engine) restoreFeeders(r *root) error {
	if r.vanished {
		from, to := statestore.SpanOfInstance(vnode, statestore.SpaceOwners, r.instance)
		e.feeders = append(e.feeders, feeder{kind: feedVanish, root: r, next: from, to: to})
		return nil
	}
	from, to := statestore.SpanOfInstance(vnode, statestore.SpacePending, r.instance)
	e.feeders = append(e.feeders, feeder{kind: feedPending, root: r, next: from, to: to})
	from, to = statestore.SpanOfInstance(vnode, statestore.SpaceOwners, r.instance)
	switch e.graph.stored.Roots[r.name].Backfill {
	case backfillScan:
		at, ok, err := e.db.State.Get(backfillKey(r.name))
		if err != nil {
			return err
		}
		f := feeder{kind: feedBackfill, root: r, next: from, to: to}
		if ok && !e.planDirty && len(at) > 8 {
			f.fed, f.next = int64(binary.BigEndian.Uint64(at)), at[8:]
			f.before = f.fed
		}
		e.feeders = append(e.feeders, f)
	case backfillRescan:
		e.feeders = append(e.feeders, feeder{kind: feedSweep, root: r, next: from, to: to})
	}
	return nil
}

// restoreOutbox posts the epochs that were decided and not known to be applied. What the target says it
// holds is not sent again.
func (e *Engine) restoreOutbox(t *target) error {
	from, to := statestore.SpanOfInstance(vnode, statestore.SpaceOutbox, t.instance)
	var p parcel
	flush := func() {
		if p.keys == 0 {
			return
		}
		if p.epoch <= t.delivery.applied {
			t.delivery.done = append(t.delivery.done, p)
		} else {
			t.delivery.post(p)
		}
		p = parcel{}
	}
	err := e.db.State.Scan(from, to, func(key, value []byte) error {
		k, err := statestore.ParseKey(key)
		if err != nil {
			return err
		}
		epoch := binary.BigEndian.Uint64(k.Owner)
		if epoch != p.epoch {
			flush()
			p.epoch = epoch
		}
		p.group = e.groupOf(t, epoch)
		p.keys++
		p.tried = !t.delivery.writer.Progress().Exact // what an exact target does not hold has not been sent
		p.size += int64(len(value))
		return nil
	})
	flush()
	return err
}

// restoreModels makes a run for every remote model.
func (e *Engine) restoreModels() error {
	byName := map[string]*modelRun{}
	for _, n := range e.graph.calls {
		if n.inline != nil {
			continue
		}
		model := n.caller.Calls().Model
		m := byName[model.Name()]
		if m == nil {
			remote, err := remoteModel(model)
			if err != nil {
				return err
			}
			if err := e.remember(remote); err != nil {
				return err
			}
			m = &modelRun{name: model.Name(), remote: remote}
			byName[m.name] = m
			e.models = append(e.models, m)
		}
		n.model = m
		if r, ok := m.remote.(stream.Remembering); ok {
			n.logic = append(slices.Clone(n.logic), r.Revision()...)
		}
		credits := e.credits.Stage(n.step.Name)
		if c, ok := m.remote.(creditor); ok {
			c.Use(n.step.Name, credits)
		}
	}
	return nil
}
