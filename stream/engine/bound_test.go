package engine

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// TestRowsOfATargetAreHeldOnce: all rows that an owner has in a target are in memory until it is evaluated, and not with
// what they were moved from (I9).
func TestRowsOfATargetAreHeldOnce(t *testing.T) {
	of := &target{shapes: make([]shape, 1), require: make([][]int, 1), sink: &stream.SinkNode{Columns: [][]int{{0, 1}}, Key: make([][]int, 1)}}
	const rows, size = 200, 64 << 10
	var refs []rowRef
	for i := range rows {
		var b cdc.RowBuilder
		b.Int64(int64(i))
		b.Bytes(bytes.Repeat([]byte{byte(i)}, size))
		refs = append(refs, rowRef{row: b.Build()})
	}
	v := &evaluator{seen: make([][]sinkRow, 1), visited: make([]uint64, 1), t: &task{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v.sink(of, 0, refs)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > rows*size*5/4 {
		t.Errorf("%d rows of %d bytes took %d bytes", rows, size, took)
	}
	for i, s := range v.seen[0] {
		if !bytes.Equal(s.row, refs[i].row) {
			t.Fatalf("row %d is not what it was", i)
		}
	}
}

// keeping is a memo that only keeps.
type keeping struct {
	memoReader
	kept []int // answers, by call
}

func (k *keeping) keep(answered []memoWrite) error {
	k.kept = append(k.kept, len(answered))
	return nil
}

// TestAnswersOfOneRowAreKeptBeforeTheyAreTooMany: a row may have any number of children, and an inline model answers for
// each within the epoch (I9).
func TestAnswersOfOneRowAreKeptBeforeTheyAreTooMany(t *testing.T) {
	memo := &keeping{}
	v := &evaluator{memo: memo, fanout: 4 << 20}
	for range 4000 {
		if err := v.remember(memoWrite{value: make([]byte, 1<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(memo.kept) != 3 || len(v.out.memo) != 4000-3*1024 || v.out.remembered != len(v.out.memo)<<10 {
		t.Errorf("kept %d, and %d answers of %d bytes are in memory", memo.kept, len(v.out.memo), v.out.remembered)
	}
}

// TestTwoLargeEpochsAreNotInMemoryAtOnce: what a row makes may be larger than what an epoch is to make; the next one of
// that kind waits until the targets have it, and one that does not take it now is not waited for (I9).
func TestTwoLargeEpochsAreNotInMemoryAtOnce(t *testing.T) {
	d := &delivery{}
	e := &Engine{budget: budgetOf(64 << 20), graph: &graph{targets: []*target{{delivery: &delivery{}}, {delivery: d}}}}
	large := gathered{bytes: 1 << 20, made: int(e.budget.made) + 1}
	for _, c := range []struct {
		what    string
		made    gathered
		taking  int64
		crowded bool
	}{
		{"a large one behind a large one", large, e.budget.made + 1, true},
		{"a large one behind a small one", large, e.budget.made, false},
		{"a small one behind a large one", gathered{bytes: 1, made: 1}, e.budget.made + 1, false},
		{"a large one behind one that no target takes now", large, 0, false},
	} {
		e.pace(&c.made)
		d.begin([]parcel{{size: c.taking}})
		if got := e.crowded(); got != c.crowded {
			t.Errorf("%s: it waits: %v", c.what, got)
		}
	}
}

// TestWorkersAreLetGoWithTheirEpoch: what they have in memory is not there beside the next one's (I9), but for how much it was.
func TestWorkersAreLetGoWithTheirEpoch(t *testing.T) {
	e := &Engine{evaluators: []*evaluator{{out: output{puts: make([]write, 2), effects: [][]byte{make([]byte, 400)}}}}}
	e.dismiss()
	if e.evaluators != nil {
		t.Error("the evaluators are still there")
	}
	for most, want := range map[int]int{1 << 20: 4 * 225, 500: 500} {
		o := output{effects: make([][]byte, 1)}
		o.expect(e.brought[0], 4, most)
		if cap(o.effects[0]) != want || cap(o.puts) != 4 {
			t.Errorf("room for %d bytes and %d records, want %d and 4", cap(o.effects[0]), cap(o.puts), want)
		}
	}
}
