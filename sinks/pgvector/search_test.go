package pgvector_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
)

// search finds the keys of the nearest rows.
func (d *docs) search(vector []float32, k int, where func(cdc.Row) (bool, error)) []stream.Hit {
	d.t.Helper()
	query := stream.Query{Vector: vector, K: k}
	if where != nil {
		query.Where = func(_ int, row cdc.Row) (bool, error) { return where(row) }
	}
	hits, err := d.writer.(stream.Searcher).Search(d.t.Context(), query)
	if err != nil {
		d.t.Fatalf("search: %v", err)
	}
	return hits
}

// planes gives an exact order of likeness: the angle to the first axis grows with n.
func plane(n int64) []float32 { return []float32{1, float32(n) / 100, 0} }

func TestASearchFindsTheNearestRowsFirst(t *testing.T) {
	for _, half := range []bool{false, true} {
		for _, index := range []pgvector.Index{pgvector.HNSW, pgvector.IVFFlat, pgvector.None} {
			for _, metric := range []stream.Metric{stream.Cosine, stream.Dot, stream.L2} {
				t.Run(fmt.Sprintf("%v %v half=%v", index, metric, half), func(t *testing.T) {
					d := newDocs(t, 18, 3, pgvector.Options{Index: index, Metric: metric, Half: half})
					d.open()
					var rows []row
					for n := int64(1); n <= 30; n++ {
						rows = append(rows, row{id: n, body: fmt.Sprint("body ", n), vector: plane(n)})
					}
					d.apply(rows...)
					query := plane(0)
					first, last, score := int64(1), int64(30), float32(0.99995)
					switch metric {
					case stream.Dot:
						query, first, last, score = []float32{0, 1, 0}, 30, 1, 0.3
					case stream.L2:
						score = -0.01
					}
					hits := d.search(query, 40, nil)
					if len(hits) != 30 || hits[0].Row.At(0).Int64() != first || hits[29].Row.At(0).Int64() != last {
						t.Fatalf("%d rows are found, the first %v", len(hits), hits)
					}
					h := hits[0]
					if h.Score < score-0.002 || h.Score > score+0.002 {
						t.Errorf("the best score is %v, want about %v", h.Score, score)
					}
					if h.Key.Text() != fmt.Sprint(first) || h.Row.At(1).Text() != fmt.Sprint("body ", first) || h.Row.At(2).State != cdc.Null || h.Version != d.target.Generation<<40|1 {
						t.Errorf("the best hit is %v %v %d", h.Key.Text(), h.Row, h.Version)
					}
					odd := d.search(query, 3, func(r cdc.Row) (bool, error) { return r.At(0).Int64()%10 == 5, nil })
					if len(odd) != 3 {
						t.Errorf("%d rows are found with a condition that 3 meet", len(odd))
					}
				})
			}
		}
	}
}

// Rows that are edited again and again leave dead ones in the index; every query still finds as many rows as it asks for.
func TestHotRowsAreAllFound(t *testing.T) {
	d := newDocs(t, 18, 16, pgvector.Options{})
	d.open()
	const rows, edits = 50, 60
	for n := range int64(edits) {
		var all []row
		for id := range int64(rows) {
			all = append(all, row{id: id, body: "x", vector: direction(id*1000+n, 16)})
		}
		d.apply(all...)
	}
	if got := d.bed.database.Text(t, "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%hnsw%'"); got != "1" {
		t.Fatalf("%s indexes are there", got)
	}
	for n := range int64(50) {
		if hits := d.search(direction(n*77+5, 16), 10, nil); len(hits) != 10 {
			t.Errorf("query %d finds %d rows of 10", n, len(hits))
		}
	}
	if hits := d.search(direction(1, 16), 200, nil); len(hits) != rows {
		t.Errorf("a query for more than there are finds %d rows of %d", len(hits), rows)
	}
}

// A change that leaves the vector as it is writes neither the vector nor its index.
func TestAnEqualVectorIsNotWrittenAgain(t *testing.T) {
	d := newDocs(t, 18, 1536, pgvector.Options{})
	d.open()
	d.apply(many(20, "body")...)
	stats := func() string {
		return d.bed.database.Text(t, "SELECT pg_relation_size(reltoastrelid), (SELECT pg_relation_size(indexrelid) FROM pg_index WHERE indrelid = c.oid AND NOT indisprimary) FROM pg_class c WHERE relname = 'docs'")
	}
	toasted := d.bed.database.Text(t, "SELECT sum(pg_column_size(vector)), count(*) FROM docs")
	before := stats()
	for n := range 5 {
		d.apply(many(20, fmt.Sprint("edit ", n))...)
	}
	if after := stats(); after != before {
		t.Errorf("five edits of the body change the sizes of vectors and index from %s to %s (vectors: %s)", before, after, toasted)
	}
	var rows []row
	for id := int64(1); id <= 20; id++ {
		rows = append(rows, row{id: id, body: "x", vector: direction(id+99, 1536)})
	}
	d.apply(rows...)
	if after := stats(); after == before {
		t.Errorf("new vectors change nothing: the sizes are %s", after)
	}
	if hits := d.search(direction(1+99, 1536), 1, nil); len(hits) != 1 || hits[0].Row.At(0).Int64() != 1 {
		t.Errorf("the new vector is not found: %v", hits)
	}
}

// I8: a document is replaced by more and by fewer parts while readers look for it: it is always there, and never half.
func TestReadersFindWholeDocumentsAlways(t *testing.T) {
	d := newDocs(t, 18, 3, pgvector.Options{})
	d.open()
	rng := rand.New(rand.NewPCG(5, 5))
	parts := 0
	replace := func() {
		n := 2 + rng.IntN(60)
		var rows []row
		for id := range max(n, parts) {
			r := row{id: int64(id), body: fmt.Sprint("version ", d.epoch), vector: plane(int64(id))}
			if id >= n {
				r.body = absent{}
			}
			rows = append(rows, r)
		}
		parts = n
		d.apply(rows...)
	}
	replace()
	var readers sync.WaitGroup
	var stop atomic.Bool
	var reads, mixed, none atomic.Int64
	for range 2 {
		readers.Go(func() {
			for !stop.Load() {
				hits, err := d.writer.(stream.Searcher).Search(t.Context(), stream.Query{Vector: plane(0), K: 100})
				if err != nil {
					t.Errorf("search: %v", err)
					return
				}
				reads.Add(1)
				bodies := map[string]bool{}
				for _, h := range hits {
					bodies[h.Row.At(1).Text()] = true
				}
				if len(bodies) == 0 {
					none.Add(1)
				}
				if len(bodies) > 1 {
					mixed.Add(1)
				}
			}
		})
	}
	for reads.Load() < 300 && !t.Failed() {
		replace()
	}
	stop.Store(true)
	readers.Wait()
	if mixed.Load() > 0 || none.Load() > 0 {
		t.Errorf("of %d searches %d found half a document and %d none", reads.Load(), mixed.Load(), none.Load())
	}
}

// An index is not filled row by row while a table is loaded for the first time: it is made behind the load, by
// whichever comes first of a small range, the next opening, and the writer's own run.
func TestTheIndexIsMadeBehindTheLoad(t *testing.T) {
	const count = "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%hnsw%'"
	loaded := func(t *testing.T) *docs {
		d := newDocs(t, 18, 3, pgvector.Options{})
		d.open()
		d.apply(many(600, "body")...)
		if got := d.bed.database.Text(t, count); got != "0" {
			t.Fatalf("%s indexes are there while it is loaded", got)
		}
		if hits := d.search(direction(7, 3), 1, nil); len(hits) != 1 || hits[0].Row.At(0).Int64() != 7 {
			t.Errorf("without the index a search finds %v", hits)
		}
		return d
	}
	t.Run("by a small range", func(t *testing.T) {
		d := loaded(t)
		d.apply(row{id: 1, body: "live"})
		if got := d.bed.database.Text(t, count); got != "1" {
			t.Errorf("%s indexes are there", got)
		}
	})
	t.Run("by the next opening", func(t *testing.T) {
		d := loaded(t)
		d.open()
		if got := d.bed.database.Text(t, count); got != "1" {
			t.Errorf("%s indexes are there", got)
		}
	})
	t.Run("by its own run", func(t *testing.T) {
		d := loaded(t)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := d.writer.(stream.Runner).Run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
		})
		d.bed.database.Exec(t, "SET statement_timeout = '60s'; DO $$ BEGIN WHILE ("+count+") = 0 LOOP PERFORM pg_sleep(0.02); END LOOP; END $$")
		cancel()
		running.Wait()
	})
	t.Run("by its own run, although small ranges do not end", func(t *testing.T) {
		d := newDocs(t, 18, 3, pgvector.Options{})
		d.open()
		d.apply(many(3000, "body")...)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := d.writer.(stream.Runner).Run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
		})
		for n := 0; d.bed.database.Text(t, "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam WHERE m.amname = 'hnsw' AND i.indisvalid") != "1"; n++ {
			if d.apply(row{id: int64(1 + n%3000), body: fmt.Sprint("live ", n)}); n > 20_000 {
				t.Fatal("there is no index")
			}
		}
		cancel()
		running.Wait()
	})
	t.Run("another metric has another index", func(t *testing.T) {
		d := loaded(t)
		d.open()
		d.bed.options.Metric = stream.L2
		d.open()
		if got := d.bed.database.Text(t, "SELECT indexdef LIKE '%l2_ops%' FROM pg_indexes WHERE indexdef LIKE '%hnsw%'"); got != "t" {
			t.Errorf("the index is of the new metric: %s", got)
		}
		d.bed.options.Index = pgvector.None
		d.open()
		if got := d.bed.database.Text(t, count); got != "0" {
			t.Errorf("%s indexes are left", got)
		}
	})
}

// Collections of one sink have tables, columns and keys of their own: a search finds the nearest rows of all of them, tells of
// which collection each is, and asks a condition with it.
func TestASearchSpansCollectionsOfSeveralForms(t *testing.T) {
	d := newDocs(t, 18, 3, pgvector.Options{})
	docs := d.schema()
	notes := &cdc.Schema{Columns: []cdc.Column{{Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 3}}, {Name: "slug", Type: cdc.Type{Kind: cdc.String}}}, Key: []int{1}}
	d.target.Collections = []stream.SinkCollection{{Collection: stream.Collection{Name: "docs", Schema: docs}, Key: docs.Columns[:1]},
		{Collection: stream.Collection{Name: "notes", Schema: notes}, Key: notes.Columns[1:]}}
	d.bed.options.Table = ""
	w, err := d.bed.Sink().Open(t.Context(), d.target)
	if err != nil {
		t.Fatal(err)
	}
	d.writer, d.target.Generation = w, w.Progress().Generation
	txn := d.txn(1, row{id: 1, body: "one", vector: plane(0)}, row{id: 3, body: "three", vector: plane(20)})
	of := txn.Effects
	txn.Count, txn.Effects = 4, func(yield func(stream.Effect, error) bool) {
		for e := range of {
			if !yield(e, nil) {
				return
			}
		}
		for slug, at := range map[string]int64{"two": 10, "four": 30} {
			var b cdc.RowBuilder
			b.Vector(plane(at))
			b.Text(slug)
			built := b.Build()
			key, err := notes.AppendKey(nil, built)
			if err != nil {
				t.Error(err)
			}
			if !yield(stream.Effect{Collection: 1, Key: key, Version: d.target.Generation<<40 | 1, Row: built}, nil) {
				return
			}
		}
	}
	if err := w.Apply(t.Context(), txn); err != nil {
		t.Fatal(err)
	}
	found := func(where func(int, cdc.Row) (bool, error)) (got []string) {
		hits, err := w.(stream.Searcher).Search(t.Context(), stream.Query{Vector: plane(0), K: 4, Where: where})
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			got = append(got, fmt.Sprintf("%d:%s:%s", h.Collection, h.Key.Text(), h.Row.At(1).Text()))
		}
		return got
	}
	if got, want := found(nil), []string{"0:1:one", "1:two:two", "0:3:three", "1:four:four"}; !slices.Equal(got, want) {
		t.Errorf("the hits are %v, want %v", got, want)
	}
	if got, want := found(func(c int, r cdc.Row) (bool, error) { return c == 1 && r.At(1).Text() != "two", nil }), []string{"1:four:four"}; !slices.Equal(got, want) {
		t.Errorf("with a condition the hits are %v, want %v", got, want)
	}
}
