package engine

import (
	"bytes"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// An outbox holds rows in the columns of the plan that decided them. When a target goes on under other
// logic, what it has not been sent yet is taken back: the upserts leave the outbox, their entries in the
// records say that the target's row is unknown, and the owners are evaluated again. Removals stay, since
// a key means the same under both plans (otherwise the target would have got a new instance).

// unknownRow is the hash of an entry whose row the target may hold in any state. No row has it.
var unknownRow = rowHash{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// takeBack takes back what targets of changed logic have not been sent. changed reports that something was,
// and that stored now wants the owners evaluated under whichever plan is run next: that is durable before
// the first record is changed, so that a crash in between, or a return to the old flow file, loses nothing (I2).
func takeBack(db *statestore.DB, stored, next *storedPlan, plan *stream.Plan) (changed bool, err error) {
	for _, s := range plan.Sinks {
		was, ok := stored.Sinks[s.Name]
		if now := next.Sinks[s.Name]; !ok || was.Instance != now.Instance || was.Logic == now.Logic {
			continue
		}
		r := recall{db: db, stored: stored, sink: was, node: s, plan: plan}
		if err := r.run(); err != nil {
			return changed, fmt.Errorf("take back what sink %s was not sent: %w", s.Name, err)
		}
		changed = changed || r.noted
	}
	return changed, nil
}

// recall empties one outbox of upserts.
type recall struct {
	db     *statestore.DB
	stored *storedPlan
	sink   storedSink
	node   *stream.SinkNode
	plan   *stream.Plan
	noted  bool
}

func (r *recall) run() error {
	from, to := statestore.SpanOfInstance(vnode, statestore.SpaceOutbox, r.sink.Instance)
	for {
		var key, value []byte
		err := r.db.State.Scan(from, to, func(k, v []byte) error {
			key, value = bytes.Clone(k), bytes.Clone(v)
			return statestore.ErrStop
		})
		if err != nil || key == nil {
			return err
		}
		if err := r.part(key, value); err != nil {
			return err
		}
		from = append(key, 0)
	}
}

// part deals with one value of the outbox in one synced batch.
func (r *recall) part(key, value []byte) error {
	b := r.db.State.NewBatch()
	kept := output{effects: make([][]byte, 1), cuts: make([][]int, 1), count: make([]int, 1)}
	records := map[string]*record{}
	in := reader{b: value}
	for len(in.b) > 0 {
		e, text := in.effect()
		if in.err != nil {
			return fmt.Errorf("read outbox: %w", in.err)
		}
		if e.remove {
			kept.effect(0, e)
			continue
		}
		var err error
		if r.node.Key[0] != nil {
			err = r.forgetShown(b, records, text)
		} else {
			err = r.forget(records, e.input, e.owner, e.child)
		}
		if err != nil {
			return err
		}
	}
	if len(kept.effects[0]) == len(value) {
		return nil
	}
	if err := r.note(); err != nil {
		return err
	}
	for at, rec := range records {
		b.Put([]byte(at), rec.append(nil))
	}
	b.Put(key, kept.effects[0])
	return r.db.State.Commit(b, true)
}

// note has the owners of the sink's roots evaluated by the next run, whatever its plan is.
func (r *recall) note() error {
	if r.noted {
		return nil
	}
	r.noted = true
	b := r.db.State.NewBatch()
	r.stored.Number++
	for _, name := range r.sink.Roots {
		root := r.stored.Roots[name]
		if root.Backfill = backfillScan; !root.Retained {
			root.Backfill = backfillRescan
		}
		r.stored.Roots[name] = root
		b.Delete(backfillKey(name))
	}
	if err := r.stored.put(b); err != nil {
		return err
	}
	return r.db.State.Commit(b, true)
}

// forget marks the entry of a row as unknown. A row that has left since has none.
func (r *recall) forget(records map[string]*record, input int, owner, child []byte) error {
	at := string(ownerKey(nil, &root{instance: r.stored.Roots[r.sink.Roots[input]].Instance}, owner))
	rec := records[at]
	if rec == nil {
		value, ok, err := r.db.State.Get([]byte(at))
		if err != nil || !ok {
			return err
		}
		rec = &record{}
		if err := rec.decode(value); err != nil {
			return err
		}
	}
	section := rec.sink(r.sink.Instance)
	if section == nil {
		return nil
	}
	for i := range section.entries {
		if e := &section.entries[i]; e.input == input && bytes.Equal(e.key, child) {
			e.hash = unknownRow
			records[at] = rec
		}
	}
	return nil
}

// forgetShown marks the row that is shown under a chosen key as unknown: its contributor stays, without a row.
func (r *recall) forgetShown(b *statestore.Batch, records map[string]*record, to cdc.Key) error {
	var shown []byte
	from, end := statestore.SpanOfOwner(statestore.Key{VNode: vnode, Space: statestore.SpaceContributors, Instance: r.sink.Instance, Owner: to})
	err := r.db.State.Scan(from, end, func(key, _ []byte) error {
		k, err := statestore.ParseKey(key)
		if err != nil {
			return err
		}
		shown = bytes.Clone(k.Child)
		b.Put(bytes.Clone(key), nil)
		return statestore.ErrStop
	})
	if err != nil || shown == nil {
		return err
	}
	input := int(shown[0])
	for _, c := range r.plan.Collections {
		if c.Source < 0 || c.Name != r.sink.Roots[input] {
			continue
		}
		owner, child, err := splitOwner(cdc.Key(shown[1:]), len(c.KeyTypes()))
		if err != nil {
			return err
		}
		return r.forget(records, input, owner, child)
	}
	return nil
}
