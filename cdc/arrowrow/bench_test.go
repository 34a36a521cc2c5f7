package arrowrow_test

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/arrowrow"
)

// chunkRows are rows as an embedding step has them: key, text of 400 bytes, vector of 384 numbers.
func chunkRows(n int) (*cdc.Schema, []cdc.Row) {
	s := &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "chunk", Type: cdc.Type{Kind: cdc.String}},
		{Name: "at", Type: cdc.Type{Kind: cdc.Timestamp, Nullable: true}}, {Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 384}}}}
	text, vector := strings.Repeat("a text ", 57), make([]float32, 384)
	rows := make([]cdc.Row, n)
	for i := range rows {
		var b cdc.RowBuilder
		b.Int64(int64(i))
		b.Text(text)
		b.Int64(int64(i))
		vector[i%384] = float32(i)
		b.Vector(vector)
		rows[i] = b.Build()
	}
	return s, rows
}

func BenchmarkWriter(b *testing.B) {
	s, rows := chunkRows(1024)
	w, err := arrowrow.NewWriter(s, nil, arrowrow.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Release()
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range rows {
			if err := w.Append(r); err != nil {
				b.Fatal(err)
			}
		}
		w.Record().Release()
	}
	b.ReportMetric(float64(b.N)*1024/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkReader(b *testing.B) {
	s, rows := chunkRows(1024)
	w, err := arrowrow.NewWriter(s, nil, arrowrow.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Release()
	for _, r := range rows {
		if err := w.Append(r); err != nil {
			b.Fatal(err)
		}
	}
	rec := w.Record()
	defer rec.Release()
	r, err := arrowrow.NewReader(rec.Schema())
	if err != nil {
		b.Fatal(err)
	}
	defer r.Release()
	var built cdc.RowBuilder
	var room []byte
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Load(rec); err != nil {
			b.Fatal(err)
		}
		for i := range r.Len() {
			if err := r.Read(&built, i); err != nil {
				b.Fatal(err)
			}
			room = built.Append(room[:0])
		}
	}
	b.ReportMetric(float64(b.N)*1024/b.Elapsed().Seconds(), "rows/s")
}
