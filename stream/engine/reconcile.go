package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// reconcile removes from targets what this state does not know: rows that another state has written, or
// a future of this one that was lost. It runs once everything that the sources hold has been applied,
// and is repeated until its removals are durable (I6).
func (e *Engine) reconcile(ctx context.Context) error {
	for _, t := range e.graph.targets {
		s := e.graph.stored.Sinks[t.name]
		if t.gone.Load() || t.retiring || !s.Reconcile {
			continue
		}
		if lister, ok := t.delivery.writer.(stream.Lister); ok {
			err := lister.Keys(ctx, func(collection int, key string) error {
				known, k, err := e.knows(t, collection, key)
				if err == nil && !known {
					e.orphans = append(e.orphans, orphan{target: t, input: collection, key: k})
				}
				return err
			})
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("compare sink %s: %w", t.name, err)
			}
		}
		s.Reconcile, s.Before = false, nil
		e.graph.stored.Sinks[t.name] = s
		e.planDirty = true
	}
	return nil
}

// orphan is a row of a target that no owner has.
type orphan struct {
	target *target
	input  int
	key    cdc.Key
}

// knows reports whether some owner holds the row of a target. A key that this flow cannot have made is
// left alone: it is known to nobody, and nobody's to remove.
func (e *Engine) knows(t *target, input int, text string) (bool, cdc.Key, error) {
	var types []cdc.Type
	for _, c := range t.sink.Inputs[input].Key {
		types = append(types, c.Type)
	}
	key, err := cdc.ParseKeyText(types, text)
	if err != nil {
		key, ok := e.formerKey(t, text)
		return !ok, key, nil
	}
	if t.shared {
		from, to := statestore.SpanOfOwner(statestore.Key{VNode: vnode, Space: statestore.SpaceContributors, Instance: t.instance, Owner: key})
		found := false
		err := e.db.State.Scan(from, to, func(_, _ []byte) error {
			found = true
			return statestore.ErrStop
		})
		return found, key, err
	}
	for _, r := range e.graph.roots {
		if r.collection != e.plan.Collections[t.sink.From[input]].Root {
			continue
		}
		owner, child, err := splitOwner(key, len(r.keyTypes))
		if err != nil {
			continue
		}
		rec, err := readOwner(e.db, r, owner)
		if err != nil || rec == nil {
			return false, key, err
		}
		sec := rec.sink(t.instance)
		return sec != nil && slices.ContainsFunc(sec.entries, func(x sinkEntry) bool {
			return x.input == input && string(x.key) == string(child)
		}), key, nil
	}
	return false, key, nil
}

// formerKey reads a key of a shape that the target had before the flow chose another one.
func (e *Engine) formerKey(t *target, text string) (cdc.Key, bool) {
	for _, names := range e.graph.stored.Sinks[t.name].Before {
		types := make([]cdc.Type, len(names))
		for i, name := range names {
			types[i], _ = cdc.ParseType(name)
		}
		if key, err := cdc.ParseKeyText(types, text); err == nil {
			return key, true
		}
	}
	return nil, false
}

// removeOrphans adds the removals to the epoch that makes them durable.
func (e *Engine) removeOrphans() {
	out := &e.evaluators[0].out
	for _, o := range e.orphans {
		out.effect(o.target.index, effect{remove: true, input: o.input, owner: o.key, was: [8]byte{1}})
		out.deletes[o.target.index]++
	}
	if n := len(e.orphans); n > 0 {
		e.log.Info("rows that this state does not know are removed from sinks", "rows", n)
	}
	e.orphans = nil
}
