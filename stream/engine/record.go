package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// record is all that the state knows of one owner: its row, what each expensive step wants and has
// emitted for it, what each sink holds of it, and what was rejected. It is read once and written once
// per epoch in which the owner takes part. Lineage is this record: from owner to rows by its
// entries, and back because every key begins with its owner's.
type record struct {
	exists  bool   // the source holds the row
	hasRow  bool   // row is retained
	plan    uint64 // number of the plan under which the record was last evaluated
	layout  uint64 // number of the column list that row has
	origin  cdc.Position
	time    int64 // source commit time of the newest change, microseconds
	hash    rowHash
	row     cdc.Row
	note    []byte
	noted   bool
	calls   []callSection
	sinks   []sinkSection
	rejects []reject
	causes  []cause // newest first

	callRoom []callEntry // where decode puts entries, until the next reset
	sinkRoom []sinkEntry
}

// rowHash identifies a row's bytes.
type rowHash [16]byte

// callSection is what one expensive step holds of an owner.
type callSection struct {
	instance uint32
	held     bool   // wanted is not complete: the outlet shows emitted until it is (I8)
	overtook uint64 // how often a newer input has overtaken the wanted one (I4)
	since    int64  // when the hold began, microseconds
	origin   cdc.Position
	emitted  []callEntry
	wanted   []callEntry // while held
	pinned   []byte      // rows of the input that completes first, where overtaking has ended (I4)
}

// callEntry is one row at an expensive step: which child, and the fingerprint of its call.
type callEntry struct {
	child []byte // key behind the owner's
	call  stream.Fingerprint
	epoch uint64
	at    int64 // seconds since 1970
}

// sinkSection is what one sink holds, or is about to hold, of an owner.
type sinkSection struct {
	instance uint32
	entries  []sinkEntry
}

// sinkEntry is one row of a sink.
type sinkEntry struct {
	input int    // which of the sink's collections
	key   []byte // behind the owner's key
	to    []byte // the target's key, where the flow chose one
	hash  rowHash
	epoch uint64
	at    int64
}

// reject is one row that a step, a model or a sink refused; its details are the dead letter.
type reject struct {
	instance uint32 // of the step or sink; 0: the source
	child    []byte
	what     stream.Fingerprint // of the refused call or row
	flags    uint64
}

const (
	rejectRetry   = 1 << iota // try again although nothing changed
	rejectDiscard             // its dead letter was discarded by a person
	rejectStale               // keep_stale: what stood before stays
)

const recordVersion = 2

const (
	flagExists = 1 << iota
	flagRow
	flagNoted
)

func (r *record) reset() {
	*r = record{calls: r.calls[:0], sinks: r.sinks[:0], rejects: r.rejects[:0], causes: r.causes[:0],
		callRoom: r.callRoom[:0], sinkRoom: r.sinkRoom[:0]}
}

func (r *record) empty() bool {
	if r.exists || r.noted || len(r.rejects) > 0 {
		return false
	}
	for i := range r.calls {
		if c := &r.calls[i]; len(c.emitted)+len(c.wanted) > 0 {
			return false
		}
	}
	for i := range r.sinks {
		if len(r.sinks[i].entries) > 0 {
			return false
		}
	}
	return true
}

func (r *record) call(instance uint32) *callSection {
	for i := range r.calls {
		if r.calls[i].instance == instance {
			return &r.calls[i]
		}
	}
	return nil
}

func (r *record) sink(instance uint32) *sinkSection {
	for i := range r.sinks {
		if r.sinks[i].instance == instance {
			return &r.sinks[i]
		}
	}
	return nil
}

// append encodes the record.
func (r *record) append(b []byte) []byte {
	flags := uint64(0)
	if r.exists {
		flags |= flagExists
	}
	if r.hasRow {
		flags |= flagRow
	}
	if r.noted {
		flags |= flagNoted
	}
	b = append(b, recordVersion)
	b = binary.AppendUvarint(b, flags)
	b = binary.AppendUvarint(b, r.plan)
	b = binary.AppendUvarint(b, r.layout)
	b = appendText(b, string(r.origin))
	b = binary.AppendUvarint(b, uint64(r.time))
	b = append(b, r.hash[:]...)
	if r.hasRow {
		b = appendBytes(b, r.row)
	}
	if r.noted {
		b = appendBytes(b, r.note)
	}
	b = binary.AppendUvarint(b, uint64(len(r.calls)))
	for i := range r.calls {
		b = r.calls[i].append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(r.sinks)))
	for i := range r.sinks {
		b = r.sinks[i].append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(r.rejects)))
	for i := range r.rejects {
		j := &r.rejects[i]
		b = binary.AppendUvarint(b, uint64(j.instance))
		b = binary.AppendUvarint(b, j.flags)
		b = append(b, j.what[:]...)
		b = appendBytes(b, j.child)
	}
	b = binary.AppendUvarint(b, uint64(len(r.causes)))
	for i := range r.causes {
		b = r.causes[i].append(b)
	}
	return b
}

func (c *callSection) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(c.instance))
	b = appendCallEntries(b, c.emitted)
	if !c.held {
		return append(b, 0)
	}
	b = append(b, 1)
	b = binary.AppendUvarint(b, c.overtook)
	b = binary.AppendUvarint(b, uint64(c.since))
	b = appendText(b, string(c.origin))
	b = appendCallEntries(b, c.wanted)
	return appendBytes(b, c.pinned)
}

func appendCallEntries(b []byte, entries []callEntry) []byte {
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for i := range entries {
		e := &entries[i]
		b = appendBytes(b, e.child)
		b = append(b, e.call[:]...)
		b = binary.AppendUvarint(b, e.epoch)
		b = binary.AppendUvarint(b, uint64(e.at))
	}
	return b
}

func (s *sinkSection) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.instance))
	b = binary.AppendUvarint(b, uint64(len(s.entries)))
	for i := range s.entries {
		e := &s.entries[i]
		b = binary.AppendUvarint(b, uint64(e.input))
		b = appendBytes(b, e.key)
		b = appendBytes(b, e.to)
		b = append(b, e.hash[:]...)
		b = binary.AppendUvarint(b, e.epoch)
		b = binary.AppendUvarint(b, uint64(e.at))
	}
	return b
}

func appendBytes(b, x []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(x))), x...)
}

func appendText(b []byte, x string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(x))), x...)
}

// decode reads a record; its slices point into b, and into memory that the next decode takes again.
func (r *record) decode(b []byte) error {
	r.reset()
	d := reader{b: b}
	if v := d.byte(); d.err == nil && v != recordVersion {
		return fmt.Errorf("read owner record: format %d is unknown", v)
	}
	flags := d.uint()
	r.exists, r.hasRow, r.noted = flags&flagExists != 0, flags&flagRow != 0, flags&flagNoted != 0
	r.plan, r.layout = d.uint(), d.uint()
	r.origin = cdc.Position(d.bytes())
	r.time = int64(d.uint())
	copy(r.hash[:], d.take(len(r.hash)))
	if r.hasRow {
		r.row = cdc.Row(d.bytes())
	}
	if r.noted {
		r.note = d.bytes()
	}
	for range d.count() {
		r.calls = append(r.calls, callSection{})
		d.callSection(&r.calls[len(r.calls)-1], r)
	}
	for range d.count() {
		r.sinks = append(r.sinks, sinkSection{})
		d.sinkSection(&r.sinks[len(r.sinks)-1], r)
	}
	for range d.count() {
		j := reject{instance: uint32(d.uint()), flags: d.uint()}
		copy(j.what[:], d.take(len(j.what)))
		j.child = d.bytes()
		r.rejects = append(r.rejects, j)
	}
	for range d.count() {
		r.causes = append(r.causes, d.cause())
	}
	if d.err != nil {
		return fmt.Errorf("read owner record: %w", d.err)
	}
	if len(d.b) > 0 {
		return fmt.Errorf("read owner record: %d bytes left over", len(d.b))
	}
	return nil
}

func (d *reader) callSection(c *callSection, r *record) {
	c.instance = uint32(d.uint())
	c.emitted = d.callEntries(r)
	if d.byte() == 0 {
		return
	}
	c.held = true
	c.overtook, c.since, c.origin = d.uint(), int64(d.uint()), cdc.Position(d.bytes())
	c.wanted = d.callEntries(r)
	c.pinned = d.bytes()
}

func (d *reader) callEntries(r *record) []callEntry {
	n := d.count()
	if n == 0 {
		return nil
	}
	entries := room(&r.callRoom, n)
	for i := range entries {
		e := &entries[i]
		e.child = d.bytes()
		copy(e.call[:], d.take(len(e.call)))
		e.epoch, e.at = d.uint(), int64(d.uint())
	}
	return entries
}

// room takes n items off a block, or off a larger one where it is used up.
func room[T any](block *[]T, n int) []T {
	used := len(*block)
	if cap(*block)-used < n {
		*block, used = make([]T, 0, max(n, 2*cap(*block))), 0
	}
	*block = (*block)[:used+n]
	return (*block)[used : used+n : used+n]
}

func (d *reader) sinkSection(s *sinkSection, r *record) {
	s.instance = uint32(d.uint())
	n := d.count()
	s.entries = room(&r.sinkRoom, n)
	for i := range s.entries {
		e := &s.entries[i]
		e.input = int(d.uint())
		e.key = d.bytes()
		e.to = d.bytes()
		copy(e.hash[:], d.take(len(e.hash)))
		e.epoch, e.at = d.uint(), int64(d.uint())
	}
}
