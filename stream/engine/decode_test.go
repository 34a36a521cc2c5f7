package engine

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// whole is a record in which every field is set.
func whole() *record {
	call := callEntry{child: []byte("c1"), call: stream.Fingerprint{1, 2}, epoch: 7, at: 1700000000}
	return &record{exists: true, hasRow: true, noted: true, plan: 3, layout: 2, origin: "position", time: 1700000000000000, hash: rowHash{9}, row: cdc.Row("row"), note: []byte("note"),
		calls: []callSection{{instance: 16, emitted: []callEntry{call}}, {instance: 17, held: true, overtook: 2, since: 5, origin: "earlier",
			emitted: []callEntry{call}, wanted: []callEntry{call, call}, pinned: []byte("pinned")}},
		sinks:   []sinkSection{{instance: 18, entries: []sinkEntry{{input: 1, key: []byte("k"), to: []byte("to"), hash: rowHash{4}, epoch: 7, at: 6}}}},
		rejects: []reject{{instance: 16, child: []byte("c2"), what: stream.Fingerprint{3}, flags: rejectRetry}},
		causes:  []cause{{epoch: 7, kind: causeFields, of: 2, fields: 5}, {epoch: 6, kind: causeNew}},
	}
}

func TestARecordComesBackWhole(t *testing.T) {
	var got record
	other := whole()
	other.calls[1].wanted, other.sinks[0].entries = nil, append(other.sinks[0].entries, other.sinks[0].entries...)
	for _, r := range []*record{other, whole()} { // the second in the memory of the first
		if err := got.decode(r.append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	got.callRoom, got.sinkRoom = nil, nil
	if want := whole(); !reflect.DeepEqual(&got, want) {
		t.Errorf("it comes back as\n%+v\nand was\n%+v", got, *want)
	}
}

// What is read of any bytes is an error, or a record that is written and read again the same (I10).
func FuzzRecord(f *testing.F) {
	f.Add(whole().append(nil))
	f.Add((&record{exists: true}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again record
		if r.decode(b) != nil {
			return
		}
		once := r.append(nil)
		if err := again.decode(once); err != nil || !bytes.Equal(again.append(nil), once) {
			t.Fatalf("%x is read, and what is written of it comes back as %+v, %v", b, again, err)
		}
	})
}

// Effects of damaged bytes end; one that is read lies within them (I10).
func FuzzEffects(f *testing.F) {
	o := output{effects: make([][]byte, 1), cuts: make([][]int, 1), count: make([]int, 1)}
	o.effect(0, effect{input: 1, owner: []byte("owner"), child: []byte("child"), row: cdc.Row("row"), was: [8]byte{1}, origin: "here", time: 5})
	o.effect(0, effect{remove: true, owner: []byte("owner"), origin: "there"})
	f.Add(o.effects[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		for d := (reader{b: b}); len(d.b) > 0; {
			left := len(d.b)
			e, key := d.effect()
			if d.err == nil && (len(d.b) >= left || len(e.owner)+len(e.child) != len(key)) {
				t.Fatalf("an effect of %x takes %d bytes and has the key %x of %x and %x", b, left-len(d.b), key, e.owner, e.child)
			}
		}
	})
}

// The parts of an outbox are its effects in order, each whole, and none much larger than the largest effect.
func TestPartsOfAnOutboxAreCutBetweenEffects(t *testing.T) {
	for _, size := range []int{0, 10, 3000, partBytes - 1, 3 * partBytes} {
		o := output{effects: make([][]byte, 1), cuts: make([][]int, 1), count: make([]int, 1)}
		const n = 100
		for i := range n {
			o.effect(0, effect{owner: []byte{byte(i)}, row: make(cdc.Row, size), remove: i%7 == 0})
		}
		var whole []byte
		seen := 0
		for _, part := range o.parts(0) {
			if whole = append(whole, part...); len(part) > partBytes+size+100 {
				t.Errorf("with effects of %d bytes a part has %d", size, len(part))
			}
			for d := (reader{b: part}); len(d.b) > 0; seen++ {
				if e, _ := d.effect(); d.err != nil || e.owner[0] != byte(seen) {
					t.Fatalf("with effects of %d bytes the %dth is of %x, %v", size, seen, e.owner, d.err)
				}
			}
		}
		if seen != n || !bytes.Equal(whole, o.effects[0]) {
			t.Errorf("with effects of %d bytes %d of %d are there", size, seen, n)
		}
	}
}

// A spilled change is an error, or one that is written and read again the same (I11).
func FuzzSpilledChange(f *testing.F) {
	f.Add(spillChange(nil, &cdc.Change{Op: cdc.Update, Collection: 1, Key: cdc.StringKey("k"), After: cdc.Row("row"), Note: []byte("n"), Time: -5, Position: "here"}))
	f.Add(spillChange(nil, &cdc.Change{Op: cdc.Insert, Key: cdc.StringKey("k"), From: cdc.StringKey("old"), After: cdc.Row("row")}))
	f.Add(spillChange(nil, &cdc.Change{Op: cdc.Reject, Key: cdc.StringKey("k"), Cause: &cdc.Cause{Code: "c", Message: "m", Input: []byte("i"), Keyless: true}}))
	f.Add(spillChange(nil, &cdc.Change{Op: cdc.Reject, Key: cdc.StringKey("k"), Cause: &cdc.Cause{Code: "c", Message: "m", Keyless: true, Place: "t/0/1"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := unspillChange(b)
		if err != nil {
			return
		}
		once := spillChange(nil, &c)
		again, err := unspillChange(once)
		if err != nil || !bytes.Equal(spillChange(nil, &again), once) {
			t.Fatalf("%x is read as %+v, and what is written of it as %+v, %v", b, c, again, err)
		}
	})
}

// Rows that were pinned are read to their end, whatever stands there.
func FuzzPinnedRows(f *testing.F) {
	f.Add(appendBytes(appendBytes(nil, []byte("child")), []byte("row")))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		for _, r := range unpackRows(b) {
			n += len(r.child) + len(r.row)
		}
		if n > len(b) {
			t.Fatalf("%d bytes of rows are in %d bytes", n, len(b))
		}
	})
}
