package engine

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
)

// A source transaction that is larger than an epoch may be, or that empties a collection, is staged: its
// changes go into a synced file. Once the cursor behind it is durable it is evaluated in slices, each a
// synced epoch of its own with the place in the file (I2). For sinks that no expensive step lies
// before, the effects of all slices are sealed until the last one and then applied as one range (I11).

// storedStage is the transaction that is being evaluated in slices.
type storedStage struct {
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

// stageRun is a stage with its file.
type stageRun struct {
	storedStage
	source int
	file   *statestore.Stage
	writer *statestore.StageWriter // while the transaction is still coming in
	done   bool
}

func stageKey() []byte { return metaKey("stage") }

// stageChange encodes a change for the file.
func stageChange(b []byte, c *cdc.Change) []byte {
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

func unstageChange(b []byte) (cdc.Change, error) {
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

// stageOpen moves the beginning of a transaction that has grown too large into a file.
func (e *Engine) stageOpen(source int) error {
	open := &e.open[source]
	if open.stage == nil {
		w, err := e.db.NewStage()
		if err != nil {
			return fmt.Errorf("stage a transaction of %s: %w", e.plan.Sources[source].Name, err)
		}
		open.stage = w
	}
	for _, b := range open.batches {
		if err := e.stageRange(source, b, 0, b.Len()); err != nil {
			return err
		}
		e.inlets[source].give(b)
	}
	open.batches, open.bytes = nil, 0
	return nil
}

func (e *Engine) stageRange(source int, b *cdc.Batch, from, to int) error {
	var record []byte
	for i := from; i < to; i++ {
		c := b.At(i)
		record = stageChange(record[:0], &c)
		if err := e.open[source].stage.Append(record); err != nil {
			return fmt.Errorf("stage a transaction of %s: %w", e.plan.Sources[source].Name, err)
		}
	}
	return nil
}

// stageClose ends the file with the transaction; the next epoch begins to evaluate it.
func (e *Engine) stageClose(g *gathered, source int, position cdc.Position) error {
	w := e.open[source].stage
	e.open[source].stage = nil
	if err := w.Close(); err != nil {
		return fmt.Errorf("stage a transaction of %s: %w", e.plan.Sources[source].Name, err)
	}
	e.o.Crash("stage.closed")
	file, err := e.db.OpenStage(w.ID())
	if err != nil {
		return err
	}
	e.stage = &stageRun{source: source, file: file, storedStage: storedStage{ID: w.ID(), Source: e.plan.Sources[source].Name,
		Position: []byte(position), First: e.epoch + 1, Next: statestore.StageStart}}
	for _, r := range e.graph.byPlace[source] {
		e.stage.Roots, e.stage.Layouts = append(e.stage.Roots, r.name), append(e.stage.Layouts, r.layout)
	}
	g.cursors[source] = position
	return nil
}

// restoreStage takes up a stage that was under way, and removes files that nothing refers to.
func (e *Engine) restoreStage() error {
	value, ok, err := e.db.State.Get(stageKey())
	if err != nil {
		return err
	}
	if ok {
		s := &stageRun{source: -1}
		if err := json.Unmarshal(value, &s.storedStage); err != nil {
			return fmt.Errorf("read the stage under way: %w", err)
		}
		for i, n := range e.plan.Sources {
			if n.Name == s.Source {
				s.source = i
			}
		}
		if e.lastStage = s.storedStage; s.Last == 0 && s.source >= 0 {
			if s.file, err = e.db.OpenStage(s.ID); err != nil {
				return err
			}
			e.stage = s
		}
		if s.Last == 0 && s.source < 0 {
			b := e.db.State.NewBatch()
			b.Delete(stageKey())
			if err := e.db.State.Commit(b, true); err != nil {
				return err
			}
		}
	}
	ids, err := e.db.Stages()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if e.stage == nil || id != e.stage.ID {
			if err := e.db.RemoveStage(id); err != nil {
				return fmt.Errorf("remove an unfinished stage: %w", err)
			}
		}
	}
	return nil
}

// changeOverhead is about what a change of a slice costs besides its bytes.
const changeOverhead = 256

// gatherStage takes one slice.
func (e *Engine) gatherStage(g *gathered) error {
	s := e.stage
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
		c, err := unstageChange(bytes.Clone(record))
		if err != nil {
			return fmt.Errorf("read a staged change: %w", err)
		}
		s.Next = next
		g.bytes += int64(len(record)) + changeOverhead
		r := e.stagedRoot(&c)
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
	g.staged = true
	return err
}

// stagedRoot gives the collection of a staged change as the running plan has it, and the row its columns.
// It is nil where the flow takes the collection no more, or wants a column that the file lacks: then the
// source is read again from its start.
func (e *Engine) stagedRoot(c *cdc.Change) *root {
	for _, r := range e.graph.byPlace[e.stage.source] {
		if r.name != e.stage.Roots[c.Collection] {
			continue
		}
		layout := e.stage.Layouts[c.Collection]
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
	s := e.stage
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
	g.staged = true
	return err
}

// putStage makes the place in the file durable with the slice.
func (e *Engine) putStage(b *statestore.Batch) error {
	if e.stage.done {
		e.stage.Last = e.epoch + 1 // kept, so that what is not delivered yet stays one range
	}
	value, err := json.Marshal(&e.stage.storedStage)
	if err != nil {
		return fmt.Errorf("write the stage under way: %w", err)
	}
	b.Put(stageKey(), value)
	return nil
}

// endStage removes the file of a transaction that is evaluated and lets its effects go.
func (e *Engine) endStage() error {
	group := e.stage.First
	id := e.stage.ID
	e.stage = nil
	for _, t := range e.graph.targets {
		if !t.gone {
			t.delivery.seal(group)
		}
	}
	if err := e.db.RemoveStage(id); err != nil {
		return fmt.Errorf("remove a stage: %w", err)
	}
	return nil
}

// groupOf names the sealed range that an epoch of a target's outbox belongs to after a start.
func (e *Engine) groupOf(t *target, epoch uint64) uint64 {
	s := &e.lastStage
	gone := s.Last == 0 && e.stage == nil // its source has left the flow, and nothing more of it will come
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
	if e.stage == nil || t.behindCall {
		return 0
	}
	return e.stage.First
}
