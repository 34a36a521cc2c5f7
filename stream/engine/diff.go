package engine

import (
	"bytes"
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// sinkRow is a row that a target shall hold; its bytes lie in the evaluator's projections until the next owner.
type sinkRow struct {
	sinkEntry
	row cdc.Row
}

// contribution is one owner's part in a key that several owners may share.
type contribution struct {
	target *target
	to     []byte // the target's key
	from   []byte // input and key of the contributing row
	gone   bool
	row    cdc.Row
	hash   rowHash
	origin cdc.Position
	time   int64
}

// sink collects what one input of a target shall hold of the owner.
func (v *evaluator) sink(t *target, input int, rows []rowRef) {
	v.visited[t.index] |= 1 << input
	for _, r := range rows {
		v.projected = roomFor(v.projected, len(r.row))
		start := len(v.projected)
		v.projected = v.builder.Project(v.projected, r.row, t.sink.Columns[input])
		row := cdc.Row(v.projected[start:len(v.projected):len(v.projected)])
		s := sinkRow{row: row, sinkEntry: sinkEntry{input: input, key: r.child, hash: t.shapes[input].hash(row)}}
		if lacks(row, t.require[input]) || v.refusedBySink(t, &s) {
			v.projected = v.projected[:start]
			continue
		}
		if key := t.sink.Key[input]; key != nil {
			var err error
			if s.to, err = v.sinkKey(t, input, key, r.row); err != nil {
				v.err = err
				return
			}
		}
		v.seen[t.index] = append(v.seen[t.index], s)
	}
}

// The sizes of the blocks that hold rows of targets: each is twice the one before it.
const (
	blockLeast = 64 << 10
	blockMost  = 1 << 20
)

// roomFor begins another block where this one has no room for a row that takes n bytes at most. I9: rows point into the
// blocks, and each array that append had moved them from would stay in memory as well.
func roomFor(block []byte, n int) []byte {
	if cap(block)-len(block) >= n {
		return block
	}
	return make([]byte, 0, max(n, min(2*cap(block), blockMost), blockLeast))
}

// sinkKey encodes the key that the flow chose for a target.
func (v *evaluator) sinkKey(t *target, input int, fields []int, row cdc.Row) ([]byte, error) {
	var key []byte
	for i, f := range fields {
		var err error
		if key, err = cdc.AppendKeyValue(key, t.sink.Inputs[input].Key[i].Type.Kind, row.At(f)); err != nil {
			return nil, err
		}
	}
	return key, nil
}

func lacks(row cdc.Row, fields []int) bool {
	for _, f := range fields {
		if row.At(f).State == cdc.Null {
			return true
		}
	}
	return false
}

// refusedBySink reports whether the target's no to this very row stands, or has just come.
func (v *evaluator) refusedBySink(t *target, s *sinkRow) bool {
	if len(v.t.refused)+len(v.old.rejects) == 0 {
		return false
	}
	what := stream.FingerprintOf(s.hash[:])
	for i := range v.t.refused {
		r := &v.t.refused[i]
		if r.instance == t.instance && r.call.IsZero() && bytes.Equal(r.child, s.key) && bytes.Equal(r.row, s.row) { // not of a row that has changed since
			v.reject(t.instance, s.key, what, r.code, r.message, v.describeSink(t, s.row), r.attempts)
			return true
		}
	}
	return v.keepReject(t.instance, s.key, what)
}

func (v *evaluator) describeSink(t *target, row cdc.Row) []byte {
	return append(cdc.AppendFieldsJSON([]byte{'{'}, t.sink.Inputs[0].Schema.Columns, row), '}')
}

// diff turns the difference between what a target shall hold of the owner and what it holds into
// effects, and settles its section of the record. I5: what is retracted is what the record says the
// target holds; nothing is computed again to find it.
func (v *evaluator) diff(t *target, rowChanged bool) {
	var old []sinkEntry
	if s := v.old.sink(t.instance); s != nil {
		old = s.entries
	}
	if t.retiring {
		v.retire(t, old, rowChanged)
		return
	}
	if t.overflow {
		v.postpone(t)
		return
	}
	rows := v.seen[t.index]
	slices.SortStableFunc(rows, func(a, b sinkRow) int { return compareEntries(&a.sinkEntry, &b.sinkEntry) })
	if len(rows) == 0 && len(old) == 0 {
		return
	}
	section := sinkSection{instance: t.instance, entries: make([]sinkEntry, 0, len(rows))}
	o := 0
	for i := range rows {
		r := &rows[i]
		if i > 0 && compareEntries(&rows[i-1].sinkEntry, &r.sinkEntry) == 0 {
			continue
		}
		for o < len(old) && compareEntries(&old[o], &r.sinkEntry) < 0 {
			v.leave(t, &section, &old[o])
			o++
		}
		r.epoch, r.at = v.epoch, v.now/1e6
		var before [8]byte
		if o < len(old) && compareEntries(&old[o], &r.sinkEntry) == 0 {
			was := &old[o]
			before = partOf(was.hash)
			o++
			if was.hash == r.hash && bytes.Equal(was.to, r.to) {
				section.entries = append(section.entries, *was)
				continue
			}
			if !bytes.Equal(was.to, r.to) {
				v.remove(t, was)
			} else {
				v.out.grow(t, was, -1)
			}
		}
		v.upsert(t, r, before)
		section.entries = append(section.entries, r.sinkEntry)
	}
	for ; o < len(old); o++ {
		v.leave(t, &section, &old[o])
	}
	if len(section.entries) > 0 {
		v.next.sinks = append(v.next.sinks, section)
	}
}

func compareEntries(a, b *sinkEntry) int {
	if a.input != b.input {
		return a.input - b.input
	}
	return bytes.Compare(a.key, b.key)
}

// leave settles an entry that is not among the new rows: carried over where its input was not reached or
// its row is kept although it is stale, removed otherwise.
func (v *evaluator) leave(t *target, section *sinkSection, was *sinkEntry) {
	if v.visited[t.index]&(1<<was.input) == 0 || v.stale(t, was) {
		section.entries = append(section.entries, *was)
		return
	}
	v.remove(t, was)
}

// stale reports whether the entry stems from a rejected row of a step that keeps stale output.
func (v *evaluator) stale(t *target, was *sinkEntry) bool {
	for i := range v.next.rejects {
		r := &v.next.rejects[i]
		if r.flags&rejectStale == 0 || !bytes.HasPrefix(was.key, r.child) {
			continue
		}
		if slices.Contains(v.g.targetsOf(r.instance), t) {
			return true
		}
	}
	return false
}

// retire takes from a target that is about to be replaced what the owner no longer has. What its new
// logic makes of the owner does not concern it.
func (v *evaluator) retire(t *target, old []sinkEntry, rowChanged bool) {
	if len(old) == 0 {
		return
	}
	section := sinkSection{instance: t.instance}
	for i := range old {
		if rowChanged && !v.alive(&old[i]) {
			v.remove(t, &old[i])
			continue
		}
		section.entries = append(section.entries, old[i])
	}
	if len(section.entries) > 0 {
		v.next.sinks = append(v.next.sinks, section)
	}
}

// alive reports whether some step still has a child of that key.
func (v *evaluator) alive(e *sinkEntry) bool {
	if !v.next.exists {
		return false
	}
	for i := range v.next.calls {
		c := &v.next.calls[i]
		entries := c.emitted
		if c.held && len(c.wanted) > 0 {
			entries = c.wanted
		}
		for k := range entries {
			if bytes.Equal(entries[k].child, e.key) {
				return true
			}
		}
	}
	return false
}

func (v *evaluator) upsert(t *target, r *sinkRow, before [8]byte) {
	v.out.upserts[t.index]++
	v.out.grow(t, &r.sinkEntry, 1)
	if len(r.to) > 0 {
		v.contribute(t, &r.sinkEntry, r.row)
		return
	}
	v.out.effect(t.index, effect{input: r.input, owner: v.t.key, child: r.key, row: r.row, was: before, origin: v.next.origin, time: v.next.time})
}

// remove retracts a row by what the record says of it (I5).
func (v *evaluator) remove(t *target, was *sinkEntry) {
	v.out.deletes[t.index]++
	v.out.grow(t, was, -1)
	if len(was.to) > 0 {
		v.contribute(t, was, nil)
		return
	}
	v.out.effect(t.index, effect{remove: true, input: was.input, owner: v.t.key, child: was.key, was: partOf(was.hash), origin: v.next.origin, time: v.next.time})
}

func (v *evaluator) contribute(t *target, e *sinkEntry, row cdc.Row) {
	from := append([]byte{byte(e.input)}, v.t.key...)
	v.out.shared = append(v.out.shared, contribution{target: t, to: v.out.arena.copy(e.to), from: append(from, e.key...),
		gone: row == nil, row: v.out.arena.copy(row), hash: e.hash, origin: v.next.origin, time: v.next.time})
}
