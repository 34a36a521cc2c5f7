package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
)

// A source transaction that is larger than an epoch may be, or that empties a collection, is spilled: its
// changes go into a synced file. Once the cursor behind it is durable it is evaluated in slices, each a
// synced epoch of its own with the place in the file (I2). For sinks that no expensive step lies
// before, the effects of all slices are sealed until the last one and then applied as one range (I11).

// storedSpill is the transaction that is being evaluated in slices.
type storedSpill struct {
	ID       uint64 `json:"id"`
	Source   string `json:"source"`
	Position []byte `json:"position"`
	// Roots and Layouts say by place what the file calls a collection and which columns its rows have: the
	// flow may be another one before the file is read to its end.
	Roots   []string `json:"roots"`
	Layouts []uint64 `json:"layouts"`
	First   uint64   `json:"first"`          // epoch of its first slice
	Next    int64    `json:"next"`           // place in the file
	Owners  []byte   `json:"owners"`         // within a truncation: where the walk over the owners stands
	Root    string   `json:"root,omitempty"` // within a truncation: the collection
	Last    uint64   `json:"last,omitempty"` // epoch of its last slice, once that is committed
}

// spillRun is a spill with its file.
type spillRun struct {
	storedSpill
	source int
	file   *statestore.Spill
	done   bool
}

// spillKey is as format 1 of a state names it.
func spillKey() []byte { return metaKey("stage") }

// spillChange encodes a change for the file.
func spillChange(b []byte, c *cdc.Change) []byte {
	flags := byte(0)
	if c.Note != nil {
		flags |= 1
	}
	if c.Cause != nil {
		flags |= 2
		if c.Cause.Keyless {
			flags |= 4
		}
		if c.Cause.Place != "" {
			flags |= 16
		}
	}
	if len(c.From) > 0 {
		flags |= 8
	}
	b = append(b, byte(c.Op), flags, byte(c.Collection))
	b = appendBytes(appendBytes(appendBytes(b, c.Key), c.After), c.Note)
	b = binary.AppendVarint(b, c.Time)
	b = appendText(b, string(c.Position))
	if len(c.From) > 0 {
		b = appendBytes(b, c.From)
	}
	if c.Cause != nil {
		b = appendBytes(appendText(appendText(b, c.Cause.Code), c.Cause.Message), c.Cause.Input)
		if c.Cause.Place != "" {
			b = appendText(b, c.Cause.Place)
		}
	}
	return b
}

func unspillChange(b []byte) (cdc.Change, error) {
	d := reader{b: b}
	op, flags, collection := d.byte(), d.byte(), d.byte()
	c := cdc.Change{Op: cdc.Op(op), Collection: int(collection), Key: cdc.Key(d.bytes())}
	c.After = cdc.Row(d.bytes())
	if note := d.bytes(); flags&1 != 0 {
		c.Note = note
		if note == nil {
			c.Note = []byte{}
		}
	}
	c.Time = d.int()
	c.Position = cdc.Position(d.bytes())
	if flags&8 != 0 {
		c.From = cdc.Key(d.bytes())
	}
	if flags&2 != 0 {
		c.Cause = &cdc.Cause{Code: string(d.bytes()), Message: string(d.bytes()), Input: d.bytes(), Keyless: flags&4 != 0}
		if flags&16 != 0 {
			c.Cause.Place = string(d.bytes())
		}
	}
	return c, d.err
}

// openSpill moves the beginning of a transaction that has grown too large into a file.
func (e *Engine) openSpill(source int) error {
	open := &e.open[source]
	if open.spill == nil {
		w, err := e.db.NewSpill()
		if err != nil {
			return fmt.Errorf("spill a transaction of %s: %w", e.plan.Sources[source].Name, err)
		}
		open.spill = w
	}
	for _, b := range open.batches {
		if err := e.spillRange(source, b, 0, b.Len()); err != nil {
			return err
		}
		e.inlets[source].give(b)
	}
	open.batches, open.bytes = nil, 0
	return nil
}

func (e *Engine) spillRange(source int, b *cdc.Batch, from, to int) error {
	var record []byte
	for i := from; i < to; i++ {
		c := b.At(i)
		record = spillChange(record[:0], &c)
		if err := e.open[source].spill.Append(record); err != nil {
			return fmt.Errorf("spill a transaction of %s: %w", e.plan.Sources[source].Name, err)
		}
	}
	return nil
}

// closeSpill ends the file with the transaction; the next epoch begins to evaluate it.
func (e *Engine) closeSpill(g *gathered, source int, position cdc.Position) error {
	w := e.open[source].spill
	e.open[source].spill = nil
	if err := w.Close(); err != nil {
		return fmt.Errorf("spill a transaction of %s: %w", e.plan.Sources[source].Name, err)
	}
	e.o.Crash("spill.closed")
	file, err := e.db.OpenSpill(w.ID())
	if err != nil {
		return err
	}
	e.spill = &spillRun{source: source, file: file, storedSpill: storedSpill{ID: w.ID(), Source: e.plan.Sources[source].Name,
		Position: []byte(position), First: e.epoch + 1, Next: statestore.SpillStart}}
	for _, r := range e.graph.byPlace[source] {
		e.spill.Roots, e.spill.Layouts = append(e.spill.Roots, r.name), append(e.spill.Layouts, r.layout)
	}
	g.cursors[source] = position
	return nil
}

// restoreSpill takes up a spill that was under way, and removes files that nothing refers to.
func (e *Engine) restoreSpill() error {
	value, ok, err := e.db.State.Get(spillKey())
	if err != nil {
		return err
	}
	if ok {
		s := &spillRun{source: -1}
		if err := json.Unmarshal(value, &s.storedSpill); err != nil {
			return fmt.Errorf("read the spill under way: %w", err)
		}
		for i, n := range e.plan.Sources {
			if n.Name == s.Source {
				s.source = i
			}
		}
		if e.lastSpill = s.storedSpill; s.Last == 0 && s.source >= 0 {
			if s.file, err = e.db.OpenSpill(s.ID); err != nil {
				return err
			}
			e.spill = s
		}
		if s.Last == 0 && s.source < 0 {
			b := e.db.State.NewBatch()
			b.Delete(spillKey())
			if err := e.db.State.Commit(b, true); err != nil {
				return err
			}
		}
	}
	ids, err := e.db.Spills()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if e.spill == nil || id != e.spill.ID {
			if err := e.db.RemoveSpill(id); err != nil {
				return fmt.Errorf("remove an unfinished spill: %w", err)
			}
		}
	}
	return nil
}

// changeOverhead is about what a change of a slice costs besides its bytes.
const changeOverhead = 256

// gatherSpill takes one slice.
func (e *Engine) gatherSpill(g *gathered) error {
	s := e.spill
	if s.Root != "" {
		return e.gatherTruncate(g)
	}
	count, origin := e.count(g, s.source), e.originOf(s.source, cdc.Position(s.Position))
	s.done = true
	err := s.file.Scan(s.Next, func(record []byte, next int64) error {
		if g.bytes >= e.room {
			s.done = false
			return statestore.ErrStop
		}
		c, err := unspillChange(bytes.Clone(record))
		if err != nil {
			return fmt.Errorf("read a spilled change: %w", err)
		}
		s.Next = next
		g.bytes += int64(len(record)) + changeOverhead
		r := e.spilledRoot(&c)
		if r == nil {
			return nil
		}
		if c.Op == cdc.Truncate {
			s.Root, s.Owners = r.name, nil
			s.done = false
			return statestore.ErrStop
		}
		return e.addChange(g, s.source, &c, origin, count, true)
	})
	g.spilled = true
	return err
}

// spilledRoot gives the collection of a spilled change as the running plan has it, and the row its columns.
// It is nil where the flow takes the collection no more, or wants a column that the file lacks: then the
// source is read again from its start.
func (e *Engine) spilledRoot(c *cdc.Change) *root {
	for _, r := range e.graph.byPlace[e.spill.source] {
		if r.name != e.spill.Roots[c.Collection] {
			continue
		}
		layout := e.spill.Layouts[c.Collection]
		c.Collection = r.place
		if layout == r.layout || len(c.After) == 0 {
			return r
		}
		fields := r.projections[layout]
		if fields == nil {
			return nil
		}
		var b cdc.RowBuilder
		c.After = cdc.Row(b.Project(nil, c.After, fields))
		return r
	}
	return nil
}

// gatherTruncate deletes a slice of the owners of a collection that the source has emptied.
func (e *Engine) gatherTruncate(g *gathered) error {
	s := e.spill
	var r *root
	for _, other := range e.graph.byPlace[s.source] {
		if other.name == s.Root {
			r = other
		}
	}
	if r == nil {
		s.Root = ""
		return nil
	}
	from, to := statestore.SpanOfInstance(vnode, statestore.SpaceOwners, r.instance)
	if len(s.Owners) > 0 {
		from = s.Owners
	}
	rows, more := 0, false
	var rec record
	err := e.db.State.Scan(from, to, func(key, value []byte) error {
		if rows >= feederRows || g.bytes >= e.budget.epoch {
			more = true
			return statestore.ErrStop
		}
		s.Owners = append(bytes.Clone(key), 0)
		rows++
		g.bytes += int64(len(value))
		k, err := statestore.ParseKey(key)
		if err != nil {
			return err
		}
		if err := rec.decode(value); err != nil || !rec.exists {
			return err
		}
		e.merge(g, &task{root: r, key: cdc.Key(bytes.Clone(k.Owner)), changed: true, op: cdc.Truncate, origin: e.originOf(s.source, cdc.Position(s.Position)), live: true})
		return nil
	})
	if !more {
		s.Root, s.Owners = "", nil
	}
	g.spilled = true
	return err
}

// putSpill makes the place in the file durable with the slice.
func (e *Engine) putSpill(b *statestore.Batch) error {
	if e.spill.done {
		e.spill.Last = e.epoch + 1 // kept, so that what is not delivered yet stays one range
	}
	value, err := json.Marshal(&e.spill.storedSpill)
	if err != nil {
		return fmt.Errorf("write the spill under way: %w", err)
	}
	b.Put(spillKey(), value)
	return nil
}

// endSpill removes the file of a transaction that is evaluated and lets its effects go.
func (e *Engine) endSpill() error {
	group := e.spill.First
	id := e.spill.ID
	e.spill = nil
	for _, t := range e.graph.targets {
		if !t.gone.Load() {
			t.delivery.seal(group)
		}
	}
	if err := e.db.RemoveSpill(id); err != nil {
		return fmt.Errorf("remove a spill: %w", err)
	}
	return nil
}

// groupOf names the sealed range that an epoch of a target's outbox belongs to after a start.
func (e *Engine) groupOf(t *target, epoch uint64) uint64 {
	s := &e.lastSpill
	gone := s.Last == 0 && e.spill == nil // its source has left the flow, and nothing more of it will come
	if t.behindCall || s.First == 0 || gone || epoch < s.First || s.Last != 0 && epoch > s.Last {
		return 0
	}
	if s.Last != 0 {
		t.delivery.seal(s.First)
	}
	return s.First
}

// group names the sealed range that a target's effects belong to; 0: they go as they come.
func (e *Engine) group(t *target) uint64 {
	if e.spill == nil || t.behindCall {
		return 0
	}
	return e.spill.First
}
