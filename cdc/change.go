package cdc

import "slices"

// Op is what a [Change] does to the row under its key.
type Op uint8

// The operations. Insert and Update both put After under Key; a source that cannot tell them apart
// says Update. Reject says that the source met a row that it cannot read: what the row had put
// anywhere is removed, and the cause is kept as a dead letter.
const (
	Insert   Op = iota + 1
	Update      // After replaces what is under Key
	Delete      // nothing is under Key any more
	Truncate    // the collection is empty; no Key
	Reject      // the row under Key cannot be read; Cause says why
)

var opNames = [...]string{"none", "insert", "update", "delete", "truncate", "reject"}

// String gives the name of the operation.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return "unknown"
}

// Position is a place in a source's log. Its bytes order as the places do; what they mean is the
// source's own affair. The empty Position lies before everything.
type Position string

// Change is one row-level fact. Its slices point into the [Batch] that it was read from.
type Change struct {
	Op         Op
	Snapshot   bool   // read from the source's present state, not from its log
	Collection int    // index into the source's collections
	Key        Key    // the key that the change is about
	From       Key    // of a row that came from another key: that key. Fields of After that are not sent are those of the row under it.
	After      Row    // the new row, of Insert and Update
	Note       []byte // what the source wants to remember of the key, kept in its [Ledger]; nil leaves it, Delete drops it
	Cause      *Cause // of Reject
	Time       int64  // when the source committed it, in microseconds since 1970; 0 where it does not say
	// Position is where the change itself stands, for sources whose transactions hold changes of several
	// places; it orders before or with that of its transaction. Empty: the position of the transaction.
	Position Position
}

// Cause tells why a row was rejected.
type Cause struct {
	Code    string // a stable word, such as too_large
	Message string // what was seen, and where
	Input   []byte // what was rejected, as JSON, for a person to look at; handed over with the change; nil: nothing to show
	// Keyless says that what was rejected has no key of its own: the key of the change only tells it from
	// others, and is not shown.
	Keyless bool
	// Place is what is shown of a rejected change that is Keyless in place of its key, such as where it stands; empty: nothing,
	// as its key is null.
	Place string
}

// Batch carries changes in whole transactions. Its rows lie in one arena, so that a row costs no
// allocation. A batch is filled by a source, handed over, and not touched by the source again
// before it is given back.
type Batch struct {
	arena   []byte
	entries []entry
	causes  []Cause
	txns    []Txn
}

// Txn is the end of a source transaction within a batch.
type Txn struct {
	End      int      // index behind its last change
	Position Position // where the log stands behind it
	Time     int64    // its commit, in microseconds since 1970; 0 where the source does not say
}

type entry struct {
	time                   int64
	start                  uint32
	key, from, after, note uint32 // ends, relative to start
	position               uint32 // end
	cause                  uint32 // index + 1
	collection             uint16
	op                     Op
	snapshot, noted        bool
}

// Add copies a change into the batch.
func (b *Batch) Add(c Change) {
	e := b.begin(c)
	b.arena = append(b.arena, c.After...)
	b.end(e, c)
}

// AddBuilt adds a change whose After is what the builder holds, written straight into the arena: a
// large row is not copied once more.
func (b *Batch) AddBuilt(c Change, after *RowBuilder) {
	e := b.begin(c)
	b.arena = after.Append(slices.Grow(b.arena, after.size()))
	b.end(e, c)
}

// begin starts an entry with its keys.
func (b *Batch) begin(c Change) entry {
	e := entry{time: c.Time, start: uint32(len(b.arena)), collection: uint16(c.Collection), op: c.Op,
		snapshot: c.Snapshot, noted: c.Note != nil}
	b.arena = append(b.arena, c.Key...)
	e.key = uint32(len(b.arena)) - e.start
	b.arena = append(b.arena, c.From...)
	e.from = uint32(len(b.arena)) - e.start
	return e
}

// end closes the entry behind the new row with the note and the cause.
func (b *Batch) end(e entry, c Change) {
	e.after = uint32(len(b.arena)) - e.start
	b.arena = append(b.arena, c.Note...)
	e.note = uint32(len(b.arena)) - e.start
	b.arena = append(b.arena, c.Position...)
	e.position = uint32(len(b.arena)) - e.start
	if c.Cause != nil {
		b.causes = append(b.causes, *c.Cause)
		e.cause = uint32(len(b.causes))
	}
	b.entries = append(b.entries, e)
}

// Commit ends a transaction: the changes since the last one belong together, and when they are
// durable the log may be confirmed up to position. Changes after the last Commit are the beginning
// of a transaction that a later batch continues.
func (b *Batch) Commit(position Position, time int64) {
	b.txns = append(b.txns, Txn{End: len(b.entries), Position: position, Time: time})
}

// Len is the number of changes.
func (b *Batch) Len() int { return len(b.entries) }

// Bytes is the size of the arena and the table.
func (b *Batch) Bytes() int64 { return int64(len(b.arena)) + int64(len(b.entries))*48 }

// Txns are the ends of the transactions in the batch, in order.
func (b *Batch) Txns() []Txn { return b.txns }

// At is the change at index i; it points into the batch.
func (b *Batch) At(i int) Change {
	e := &b.entries[i]
	a := b.arena[e.start : e.start+e.position : e.start+e.position]
	c := Change{Op: e.op, Snapshot: e.snapshot, Collection: int(e.collection), Key: Key(a[:e.key:e.key]), Time: e.time,
		Position: Position(a[e.note:])}
	if e.from > e.key {
		c.From = Key(a[e.key:e.from:e.from])
	}
	if e.after > e.from {
		c.After = Row(a[e.from:e.after:e.after])
	}
	if e.noted {
		c.Note = a[e.after:e.note:e.note]
	}
	if e.cause > 0 {
		c.Cause = &b.causes[e.cause-1]
	}
	return c
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.arena, b.entries, b.causes, b.txns = b.arena[:0], b.entries[:0], b.causes[:0], b.txns[:0]
}
