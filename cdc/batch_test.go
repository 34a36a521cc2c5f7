package cdc_test

import (
	"bytes"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func drawBytes(t *rapid.T, label string) []byte {
	if rapid.IntRange(0, 3).Draw(t, label+" or none") == 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.Byte(), 2, 400).Draw(t, label)
}

func drawChange(t *rapid.T) cdc.Change {
	c := cdc.Change{
		Op:         cdc.Op(rapid.IntRange(1, 5).Draw(t, "op")),
		Snapshot:   rapid.Bool().Draw(t, "snapshot"),
		Collection: rapid.IntRange(0, 300).Draw(t, "collection"),
		Key:        cdc.Key(rapid.SliceOf(rapid.Byte()).Draw(t, "key")),
		From:       drawBytes(t, "from"),
		After:      drawBytes(t, "after"),
		Note:       drawBytes(t, "note"),
		Time:       rapid.Int64().Draw(t, "time"),
		Position:   cdc.Position(rapid.String().Draw(t, "its own position")),
	}
	if rapid.Bool().Draw(t, "an empty note") {
		c.Note = []byte{}
	}
	if c.Op == cdc.Reject {
		c.Cause = &cdc.Cause{Code: "unreadable", Message: rapid.String().Draw(t, "message"),
			Input: drawBytes(t, "input"), Keyless: rapid.Bool().Draw(t, "keyless")}
	}
	return c
}

func TestBatchesKeepChangesAndTransactions(t *testing.T) {
	var b cdc.Batch
	rapid.Check(t, func(t *rapid.T) {
		b.Reset() // also what was in it before must not shine through
		var want []cdc.Change
		var txns []cdc.Txn
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			c := drawChange(t)
			b.Add(c)
			want = append(want, c)
			if rapid.Bool().Draw(t, "commit") {
				txn := cdc.Txn{End: len(want), Position: cdc.Position(rapid.String().Draw(t, "position")), Time: rapid.Int64().Draw(t, "time")}
				b.Commit(txn.Position, txn.Time)
				txns = append(txns, txn)
			}
		}
		var got []cdc.Change
		size := int64(0)
		for i := range b.Len() {
			c := b.At(i)
			size += int64(len(c.Key) + len(c.From) + len(c.After) + len(c.Note) + len(c.Position))
			got = append(got, c)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b cdc.Key) bool { return bytes.Equal(a, b) })); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(txns, b.Txns(), cmp.Comparer(func(a, b []cdc.Txn) bool { return len(a) == 0 && len(b) == 0 || cmp.Equal(a, b) })); diff != "" {
			t.Fatal(diff)
		}
		if b.Bytes() < size {
			t.Fatalf("%d bytes hold %d", b.Bytes(), size)
		}
	})
}

func TestBuiltRowsAreAddedAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var row cdc.RowBuilder
		for _, c := range drawColumns(t, 1) {
			addValue(t, &row, c.Type)
		}
		c := drawChange(t)
		var copied, built cdc.Batch
		c.After = row.Build()
		copied.Add(c)
		built.AddBuilt(c, &row)
		if diff := cmp.Diff(copied.At(0), built.At(0)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// What is read from a batch cannot grow into its neighbour.
func TestSlicesOfABatchEndWhereTheyEnd(t *testing.T) {
	var b cdc.Batch
	row := func(text string) cdc.Row {
		var r cdc.RowBuilder
		r.Text(text)
		return r.Build()
	}
	b.Add(cdc.Change{Op: cdc.Update, Key: cdc.StringKey("a"), From: cdc.StringKey("old"), After: row("new"), Note: []byte("note")})
	b.Add(cdc.Change{Op: cdc.Delete, Key: cdc.StringKey("b")})
	c := b.At(0)
	_ = append(c.Key, "xxxxxxxx"...)
	_ = append(c.From, "xxxxxxxx"...)
	_ = append(c.After, "xxxxxxxx"...)
	_ = append(c.Note, "xxxxxxxx"...)
	got := []string{b.At(0).Key.Text(), b.At(0).From.Text(), b.At(0).After.At(0).Text(), string(b.At(0).Note), b.At(1).Key.Text()}
	if diff := cmp.Diff([]string{"a", "old", "new", "note", "b"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOpsHaveNames(t *testing.T) {
	for op, want := range map[cdc.Op]string{cdc.Insert: "insert", cdc.Update: "update", cdc.Delete: "delete", cdc.Truncate: "truncate", cdc.Reject: "reject", 99: "unknown"} {
		if op.String() != want {
			t.Errorf("%d is %s", op, op)
		}
	}
}

// The way of a change through a batch and a projection takes no memory of its own.
func BenchmarkPassThrough(b *testing.B) {
	var row, out cdc.RowBuilder
	row.Text("docs/guide/start.md")
	row.Text("A paragraph of some eighty characters, as the documents of most people have it.")
	row.Int64(79)
	row.Float64(0.5)
	change := cdc.Change{Op: cdc.Update, Key: cdc.StringKey("docs/guide/start.md"), After: row.Build(), Note: make([]byte, 50)}
	var batch cdc.Batch
	var projected []byte
	fields := []int{0, 2}
	const changes = 512
	pass := func() {
		batch.Reset()
		for range changes {
			batch.Add(change)
		}
		batch.Commit("position", 0)
		for i := range batch.Len() {
			projected = out.Project(projected[:0], batch.At(i).After, fields)
		}
	}
	pass()
	b.ReportAllocs()
	for b.Loop() {
		pass()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/changes, "ns/change")
}

func TestPassThroughTakesNoMemory(t *testing.T) {
	result := testing.Benchmark(BenchmarkPassThrough)
	if result.AllocsPerOp() > 0 {
		t.Errorf("%d allocations for 512 changes", result.AllocsPerOp())
	}
}
