package engine

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
)

// Where the flow chooses a target's key, rows of several owners may meet in one. Each of them is kept as
// a contributor with its row; the one with the smallest collection key is shown, so that every order of
// arrival ends the same. There is no delete while another row still has the key.
//
// A contributor is stored with the shape of its row. One that was taken back has none, and one of an earlier
// plan another: neither can be shown, and its owner is on its way to bring the row as it is now.

func contributorKey(t *target, to, from []byte) []byte {
	return statestore.AppendKey(nil, statestore.Key{VNode: vnode, Space: statestore.SpaceContributors, Instance: t.instance, Owner: to, Child: from})
}

// resolveShared turns the contributions of the epoch into effects.
func (e *Engine) resolveShared(b *statestore.Batch) error {
	var all []contribution
	for _, v := range e.evaluators {
		all = append(all, v.out.shared...)
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(x, y contribution) int {
		if x.target != y.target {
			return x.target.index - y.target.index
		}
		if c := bytes.Compare(x.to, y.to); c != 0 {
			return c
		}
		return bytes.Compare(x.from, y.from)
	})
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && all[j].target == all[i].target && bytes.Equal(all[j].to, all[i].to) {
			j++
		}
		if err := e.resolveKey(b, all[i:j]); err != nil {
			return fmt.Errorf("resolve key %s of sink %s: %w", cdc.Key(all[i].to).Text(), all[i].target.name, err)
		}
		i = j
	}
	return nil
}

// resolveKey settles one key of a target: who was shown, and who is shown now.
func (e *Engine) resolveKey(b *statestore.Batch, news []contribution) error {
	t, to := news[0].target, news[0].to
	latest := map[string]*contribution{}
	for i := range news {
		// A row that leaves and comes in one epoch stays: the later entry of the same row counts, and a
		// removal comes first.
		if was := latest[string(news[i].from)]; was == nil || !news[i].gone {
			latest[string(news[i].from)] = &news[i]
		}
	}
	var wasFrom, was, isFrom, is []byte // was and is as they are stored
	show := func(from, value []byte) {
		if isFrom == nil || bytes.Compare(from, isFrom) < 0 {
			isFrom, is = bytes.Clone(from), bytes.Clone(value)
		}
	}
	from, end := statestore.SpanOfOwner(statestore.Key{VNode: vnode, Space: statestore.SpaceContributors, Instance: t.instance, Owner: to})
	err := e.db.State.Scan(from, end, func(key, value []byte) error {
		k, err := statestore.ParseKey(key)
		if err != nil {
			return err
		}
		if wasFrom == nil {
			wasFrom, was = bytes.Clone(k.Child), bytes.Clone(value)
		}
		if latest[string(k.Child)] == nil {
			show(k.Child, value)
			return statestore.ErrStop // they ascend: no later one can be shown
		}
		return nil
	})
	if err != nil {
		return err
	}
	for child, c := range latest {
		if c.gone {
			b.Delete(contributorKey(t, to, []byte(child)))
			continue
		}
		value := append(t.shapes[c.from[0]].bytes(), c.row...)
		b.Put(contributorKey(t, to, []byte(child)), value)
		show(c.from, value)
	}
	out := &e.evaluators[len(e.evaluators)-1].out // behind all that the evaluators themselves have decided
	last := &news[len(news)-1]
	var before [8]byte
	if wasFrom != nil {
		before = partOf(unknownRow)
		if row, ok := shownRow(t, wasFrom, was); ok {
			before = partOf(t.shapes[wasFrom[0]].hash(row))
		}
	}
	if isFrom == nil {
		if wasFrom != nil {
			out.effect(t.index, effect{remove: true, input: int(wasFrom[0]), owner: to, was: before, origin: last.origin, time: last.time})
			out.shownDelta(t.index, -1)
		}
		return nil
	}
	row, ok := shownRow(t, isFrom, is)
	if ok && (wasFrom == nil || !bytes.Equal(was, is) || wasFrom[0] != isFrom[0]) {
		out.effect(t.index, effect{input: int(isFrom[0]), owner: to, row: row, was: before, origin: last.origin, time: last.time})
	}
	if wasFrom == nil {
		out.shownDelta(t.index, 1)
	}
	return nil
}

// shownRow is the row of a contributor in the columns that the target has now.
func shownRow(t *target, from, value []byte) (row cdc.Row, ok bool) {
	shape := t.shapes[from[0]].bytes()
	return cdc.Row(bytes.TrimPrefix(value, shape)), bytes.HasPrefix(value, shape)
}

// shownBy finds the row that is shown under a chosen key: its owner, and its key behind the owner's.
func (e *Engine) shownBy(t *target, to []byte, columns int) (owner cdc.Key, child []byte, err error) {
	from, end := statestore.SpanOfOwner(statestore.Key{VNode: vnode, Space: statestore.SpaceContributors, Instance: t.instance, Owner: to})
	err = e.db.State.Scan(from, end, func(key, _ []byte) error {
		k, err := statestore.ParseKey(key)
		if err != nil {
			return err
		}
		if owner, child, err = splitOwner(bytes.Clone(k.Child[1:]), columns); err != nil {
			return err
		}
		return statestore.ErrStop
	})
	return owner, child, err
}
