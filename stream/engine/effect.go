package engine

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/freshet/freshet/cdc"
)

// effect is what an outbox holds: an upsert or a removal of one row of a target. Rows in it refer to
// results by fingerprint; the delivery resolves them.
type effect struct {
	remove bool
	input  int
	owner  []byte // with child the target's key
	child  []byte
	row    cdc.Row
	was    [8]byte // part of the hash of the row before; zero: there was none
	origin cdc.Position
	time   int64
}

// effect adds one to what the epoch has for a target.
func (o *output) effect(target int, e effect) {
	b := o.effects[target]
	flags := byte(0)
	if e.remove {
		flags = 1
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(e.input))
	b = binary.AppendUvarint(b, uint64(len(e.owner)))
	b = binary.AppendUvarint(b, uint64(len(e.child)))
	b = append(append(b, e.owner...), e.child...)
	b = append(b, e.was[:]...)
	b = appendText(b, string(e.origin))
	b = binary.AppendUvarint(b, uint64(e.time))
	if !e.remove {
		b = appendBytes(b, e.row)
	}
	o.effects[target] = b
	o.count[target]++
	last := 0
	if cuts := o.cuts[target]; len(cuts) > 0 {
		last = cuts[len(cuts)-1]
	}
	if len(b)-last >= partBytes {
		o.cuts[target] = append(o.cuts[target], len(b))
	}
}

// partBytes is about how large an entry of the outbox is: the store holds each several times where it moves it.
const partBytes = 64 << 10

// parts are the entries of the outbox that the epoch has for a target.
func (o *output) parts(target int) (parts [][]byte) {
	start := 0
	for _, end := range append(slices.Clone(o.cuts[target]), len(o.effects[target])) {
		if end > start {
			parts = append(parts, o.effects[target][start:end:end])
		}
		start = end
	}
	return parts
}

// leaves reports whether an effect that took the place of earlier ones leaves the row of a target as it was
// before the first of them.
func (e *effect) leaves(t *target, before [8]byte) bool {
	if e.remove {
		return before == [8]byte{}
	}
	return before == partOf(t.shapes[e.input].hash(e.row))
}

func partOf(h rowHash) [8]byte { return [8]byte(h[:8]) }

// effect reads one; its slices point into the outbox's bytes. key is owner and child together.
func (d *reader) effect() (e effect, key cdc.Key) {
	e.remove = d.byte() == 1
	e.input = int(d.uint())
	owner, child := int(d.uint()), int(d.uint())
	key = cdc.Key(d.take(owner + child))
	if d.err != nil {
		return e, nil
	}
	e.owner, e.child = key[:owner:owner], key[owner:]
	copy(e.was[:], d.take(len(e.was)))
	e.origin = cdc.Position(d.bytes())
	e.time = int64(d.uint())
	if !e.remove {
		e.row = cdc.Row(d.bytes())
	}
	return e, key
}

// paid books the calls that an owner has waited for with the event that ends its wait.
func (o *output) paid(h *hold, calls int) {
	for i := range o.changes {
		if ev := &o.changes[i]; calls > 0 && ev.root == h.root.index && bytes.Equal(ev.owner, h.key) {
			ev.Calls += calls
			return
		}
	}
}

// grow books a change in the number of rows of a target. Where owners share a key, only the resolution
// of the key knows it.
func (o *output) grow(t *target, e *sinkEntry, n int64) {
	if len(e.to) == 0 {
		o.added[t.index] += n
	}
}

func (o *output) shownDelta(target int, n int64) { o.added[target] += n }
