package pgvector_test

import (
	"fmt"
	"testing"

	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
)

// BenchmarkApply writes ranges of vectors of 384 numbers: new rows, vectors replaced, and only the text beside them.
func BenchmarkApply(b *testing.B) {
	for _, index := range []pgvector.Index{pgvector.None, pgvector.HNSW} {
		for _, size := range []int{1, 10, 400, 4000} {
			for _, what := range []string{"insert", "vectors", "texts"} {
				b.Run(fmt.Sprintf("%v/rows=%d/%s", index, size, what), func(b *testing.B) { benchApply(b, index, size, what) })
			}
		}
	}
}

func benchApply(b *testing.B, index pgvector.Index, size int, what string) {
	d := newDocs(b, 18, 384, pgvector.Options{Index: index})
	d.open()
	base := many(max(size, 500), "base")
	d.apply(base...)
	d.apply(row{id: 1, body: "small"}) // makes the index
	next := int64(len(base))
	for b.Loop() {
		b.StopTimer()
		rows := make([]row, size)
		for i := range rows {
			next++
			rows[i] = row{id: int64(i + 1), body: fmt.Sprint("text ", next)}
			switch what {
			case "insert":
				rows[i].id = next
			case "vectors":
				rows[i].vector = direction(next, 384)
			}
		}
		b.StartTimer()
		d.apply(rows...)
	}
	b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkSearch finds ten of ten thousand rows.
func BenchmarkSearch(b *testing.B) {
	for _, index := range []pgvector.Index{pgvector.None, pgvector.HNSW} {
		b.Run(index.String(), func(b *testing.B) {
			d := newDocs(b, 18, 384, pgvector.Options{Index: index})
			d.open()
			d.apply(many(10_000, "base")...)
			d.open() // makes the index
			n := int64(0)
			for b.Loop() {
				n++
				hits, err := d.writer.(stream.Searcher).Search(b.Context(), stream.Query{Vector: direction(n*31, 384), K: 10})
				if err != nil || len(hits) != 10 {
					b.Fatalf("%d hits: %v", len(hits), err)
				}
			}
		})
	}
}
