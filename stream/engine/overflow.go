package engine

import (
	"bytes"
	"encoding/binary"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
)

// The outbox of a target that is down is bounded (I9). Beyond its budget the target's effects are not
// written any more; its owners are marked dirty instead, each once however often it changes, and what
// their records say of the target stays as it was at the mark. When the outbox has drained, the dirty
// owners are evaluated again and the difference is sent. Until then cuts are coarse: the target skips
// states, but never goes back and never mixes an owner's. Neither the other targets nor the sources
// wait.

// dirty is an owner whose effects a target is not told of.
type dirty struct {
	target *target
	root   *root
	key    cdc.Key
}

func (d *dirty) encode() []byte {
	owner := append(binary.BigEndian.AppendUint32(nil, d.root.instance), d.key...)
	return statestore.AppendKey(nil, statestore.Key{VNode: vnode, Space: statestore.SpaceDirty, Instance: d.target.instance, Owner: owner})
}

// postpone leaves a target's part of the record as it is and marks the owner dirty.
func (v *evaluator) postpone(t *target) {
	rows := v.seen[t.index]
	old := v.old.sink(t.instance)
	if old != nil {
		v.next.sinks = append(v.next.sinks, *old)
	}
	if len(rows) > 0 || old != nil {
		v.out.dirty = append(v.out.dirty, dirty{target: t, root: v.t.root, key: v.t.key})
	}
}

// checkOverflow decides which targets are told of effects in the coming epoch. blocked reports that a
// source has to wait for a target: its rows are not retained, so that nothing can be put off.
func (e *Engine) checkOverflow() (blocked bool) {
	for _, t := range e.graph.targets {
		if t.gone.Load() || t.retiring {
			continue
		}
		queued, _ := t.delivery.queued()
		switch {
		case !t.overflow && queued > e.budget.outbox:
			if !e.retainsAll(t) {
				blocked = true
				continue
			}
			t.overflow = true
			e.log.Warn("sink is far behind: its changes are put off", "sink", t.name, "outbox_bytes", queued)
		case t.overflow && queued < e.budget.outbox/4:
			t.overflow = false
			e.addDirtyFeeder(t)
			e.log.Info("sink has drained: what was put off is sent", "sink", t.name)
		}
	}
	return blocked
}

func (e *Engine) retainsAll(t *target) bool {
	for _, from := range t.sink.From {
		for _, r := range e.graph.roots {
			if r.collection == e.plan.Collections[from].Root && !r.retained {
				return false
			}
		}
	}
	return true
}

// addDirtyFeeder has the dirty owners of a target evaluated. There is one such feeder a target.
func (e *Engine) addDirtyFeeder(t *target) {
	from, to := statestore.SpanOfInstance(vnode, statestore.SpaceDirty, t.instance)
	for i := range e.feeders {
		if f := &e.feeders[i]; f.kind == feedDirty && f.target == t {
			f.next, f.to, f.finished = from, to, false
			return
		}
	}
	e.feeders = append(e.feeders, feeder{kind: feedDirty, target: t, next: from, to: to})
}

// feedDirtyOwners takes one slice of a target's dirty owners.
func (e *Engine) feedDirtyOwners(g *gathered, at int) (feederMove, error) {
	f := &e.feeders[at]
	rows, done := 0, true
	next := f.next
	err := e.db.State.Scan(f.next, f.to, func(key, _ []byte) error {
		if rows >= feederRows {
			done = false
			return statestore.ErrStop
		}
		rows++
		next = append(bytes.Clone(key), 0)
		k, err := statestore.ParseKey(key)
		if err != nil || len(k.Owner) < 4 {
			return err
		}
		g.cleaned = append(g.cleaned, bytes.Clone(key))
		instance := binary.BigEndian.Uint32(k.Owner)
		for _, r := range e.graph.roots {
			if r.instance == instance {
				e.merge(g, &task{root: r, key: cdc.Key(bytes.Clone(k.Owner[4:])), force: true})
			}
		}
		return nil
	})
	return feederMove{at: at, next: next, done: done}, err
}

// putDirty makes the marks of the epoch durable.
func (e *Engine) putDirty(b *statestore.Batch, g *gathered) {
	for _, key := range g.cleaned {
		b.Delete(key)
	}
	for _, v := range e.evaluators {
		for i := range v.out.dirty {
			b.Put(v.out.dirty[i].encode(), nil)
		}
	}
}
