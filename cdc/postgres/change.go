package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/cdc"
)

// bound finds the binding of a table; nil where the flow does not read it.
func (r *run) bound(c *cursor) (*binding, error) {
	oid := c.u32()
	if c.bad {
		return nil, fmt.Errorf("%w: it names no table", errMessage)
	}
	x, ok := r.bindings[oid]
	if !ok {
		return nil, fmt.Errorf("%w: table %d was not described", errMessage, oid)
	}
	return x, nil
}

func (r *run) insert(c *cursor) error {
	x, err := r.bound(c)
	if err != nil || x == nil {
		return err
	}
	if c.u8() != 'N' {
		c.bad = true
	}
	t := &r.decoder.after
	t.read(c)
	if err := c.fault(msgInsert); err != nil {
		return err
	}
	if r.awaits(x.table.oid) {
		return nil
	}
	if r.decoder.key, err = r.decoder.appendKey(r.decoder.key[:0], x, t, nil); err != nil {
		return err
	}
	r.touched(x, r.decoder.key)
	r.overlaps.put(x, r.decoder.key, t, nil)
	return r.upsert(cdc.Insert, x, t, nil, nil)
}

// upsert adds the new row under r.decoder.key, which comes from another key or from none.
func (r *run) upsert(op cdc.Op, x *binding, t, old *tuple, from cdc.Key) error {
	d := &r.decoder
	change := cdc.Change{Op: op, Collection: x.collection, Key: d.key, From: from, Time: r.txn.time}
	err := d.buildRow(x, t, old)
	if errors.Is(err, errValue) {
		change.Op, change.Cause = cdc.Reject, &cdc.Cause{Code: "unreadable_value", Message: err.Error()}
		r.batch.Add(change)
		return nil
	}
	if err != nil {
		return err
	}
	r.batch.AddBuilt(change, &d.row)
	return nil
}

// oldTuple reads the old row of an update or delete. Of a key alone the other columns count as not sent.
func (r *run) oldTuple(c *cursor, x *binding, form byte) *tuple {
	old := &r.decoder.before
	old.read(c)
	if form == 'K' && x != nil {
		for i := range old.forms {
			if i < len(x.identity) && !x.identity[i] {
				old.forms[i] = formUnchanged
			}
		}
	}
	return old
}

func (r *run) update(ctx context.Context, c *cursor) error {
	x, err := r.bound(c)
	if err != nil || x == nil {
		return err
	}
	d := &r.decoder
	var old *tuple
	form := c.u8()
	if form == 'K' || form == 'O' {
		old = r.oldTuple(c, x, form)
		form = c.u8()
	}
	if form != 'N' {
		c.bad = true
	}
	t := &d.after
	t.read(c)
	if err := c.fault(msgUpdate); err != nil {
		return err
	}
	if d.key, err = d.appendKey(d.key[:0], x, t, old); err != nil {
		return err
	}
	moved := false
	if old != nil {
		if d.oldKey, err = d.appendKey(d.oldKey[:0], x, old, nil); err != nil {
			return err
		}
		moved = !bytes.Equal(d.key, d.oldKey)
	}
	if moved {
		return r.move(ctx, x, t, old)
	}
	if r.awaits(x.table.oid) {
		return nil
	}
	left, err := r.complete(ctx, x, t, old, d.key)
	if err != nil {
		return err
	}
	r.touched(x, d.key)
	switch r.overlaps.stand(x, d.key, old) {
	case standsNewer:
		return nil // another row has the key from now on
	case standsSame:
		r.overlaps.put(x, d.key, t, old)
	}
	if left == leftGone {
		return nil
	}
	return r.upsert(cdc.Update, x, t, old, nil)
}

// move takes an update that changes the key: a delete of the old and an insert of the new one.
func (r *run) move(ctx context.Context, x *binding, t, old *tuple) error {
	d := &r.decoder
	if r.awaits(x.table.oid) {
		return r.remove(ctx, x, d.oldKey, old)
	}
	left, err := r.complete(ctx, x, t, old, d.oldKey)
	if err != nil {
		return err
	}
	r.touched(x, d.key)
	if left == leftHeld {
		// What was not sent is what stands under the old key until it goes. There cannot be two rows under the new one:
		// of a table where that may be, old rows come whole.
		if err := r.upsert(cdc.Insert, x, t, old, d.oldKey); err != nil {
			return err
		}
		return r.remove(ctx, x, d.oldKey, old)
	}
	if err := r.remove(ctx, x, d.oldKey, old); err != nil {
		return err
	}
	r.overlaps.put(x, d.key, t, old)
	if left == leftGone {
		return nil
	}
	return r.upsert(cdc.Insert, x, t, old, nil)
}

func (r *run) delete(ctx context.Context, c *cursor) error {
	x, err := r.bound(c)
	if err != nil || x == nil {
		return err
	}
	form := c.u8()
	if form != 'K' && form != 'O' {
		c.bad = true
	}
	old := r.oldTuple(c, x, form)
	if err := c.fault(msgDelete); err != nil {
		return err
	}
	d := &r.decoder
	if d.oldKey, err = d.appendKey(d.oldKey[:0], x, old, nil); err != nil {
		return err
	}
	return r.remove(ctx, x, d.oldKey, old)
}

// remove adds the delete of a key, unless another row stands under it by now.
func (r *run) remove(ctx context.Context, x *binding, key []byte, old *tuple) error {
	r.touched(x, key)
	switch r.overlaps.stand(x, key, old) {
	case standsNewer:
		return nil
	case standsSame:
		there, err := r.exists(ctx, x, old)
		if err != nil || there {
			return err
		}
		r.overlaps.leave(x, key)
	}
	r.batch.Add(cdc.Change{Op: cdc.Delete, Collection: x.collection, Key: key, Time: r.txn.time})
	return nil
}

func (r *run) truncate(c *cursor) error {
	n := int(c.u32())
	c.u8()
	for range n {
		if c.bad {
			break
		}
		oid := c.u32()
		x, ok := r.bindings[oid]
		if !ok && !c.bad {
			return fmt.Errorf("%w: table %d was not described", errMessage, oid)
		}
		if x == nil {
			continue
		}
		if oid != x.table.oid {
			return r.again("a partition of table %s was truncated", x.table.plain())
		}
		r.batch.Add(cdc.Change{Op: cdc.Truncate, Collection: x.collection, Time: r.txn.time})
	}
	return c.fault(msgTruncate)
}
