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
	w := &worker{seen: make([][]sinkRow, 1), visited: make([]uint64, 1), t: &task{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.sink(of, 0, refs)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > rows*size*5/4 {
		t.Errorf("%d rows of %d bytes took %d bytes", rows, size, took)
	}
	for i, s := range w.seen[0] {
		if !bytes.Equal(s.row, refs[i].row) {
			t.Fatalf("row %d is not what it was", i)
		}
	}
}
