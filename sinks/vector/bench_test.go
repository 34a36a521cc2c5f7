package vector_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/sinks/vector/vectortest"
)

const benchDims = 384

// openDir opens an index on the real file system.
func openDir(b *testing.B, dir string, o vector.Options) *vector.Index {
	b.Helper()
	o.Dims = benchDims
	x, err := vector.Open(dir, o)
	if err != nil {
		b.Fatal(err)
	}
	return x
}

// bulk writes n rows of a source, in transactions of size.
func bulk(b *testing.B, x *vector.Index, src *vectortest.Source, n, size int) {
	b.Helper()
	_, epoch, _ := x.Progress()
	for at := 0; at < n; at += size {
		epoch++
		txn := vector.Txn{Epoch: epoch}
		for i := at; i < min(n, at+size); i++ {
			txn.Upserts = append(txn.Upserts, vector.Upsert{
				Key: fmt.Appendf(nil, "document/%08d", i), Version: epoch, Vector: src.Next(),
				Payload: []byte(`{"title":"a title of usual length","lang":"en"}`), Terms: [][]byte{fmt.Appendf(nil, "p%d", i%1000)},
			})
		}
		if err := x.Apply(b.Context(), &txn); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkApply measures durable upserts on the real file system: new rows, then the same keys again.
func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		for _, kind := range []string{"insert", "update"} {
			b.Run(fmt.Sprintf("%s/batch=%d", kind, size), func(b *testing.B) {
				x := openDir(b, b.TempDir(), vector.Options{})
				defer x.Close()
				const rows = 20_000
				vecs := vectortest.New(1, benchDims, vectortest.Easy).Take(2000)
				payload := []byte(`{"title":"a title of usual length","lang":"en"}`)
				epoch, n := uint64(0), 0
				next := func(wrap bool) {
					epoch++
					txn := vector.Txn{Epoch: epoch}
					for range size {
						key := n
						if wrap {
							key = n * 7919 % rows
						}
						txn.Upserts = append(txn.Upserts, vector.Upsert{
							Key: fmt.Appendf(nil, "document/%08d", key), Version: epoch, Vector: vecs[n%len(vecs)], Payload: payload,
						})
						n++
					}
					if err := x.Apply(b.Context(), &txn); err != nil {
						b.Fatal(err)
					}
				}
				if kind == "update" {
					bulk(b, x, vectortest.New(2, benchDims, vectortest.Noise), rows, 1000)
					epoch = rows / 1000
				}
				b.ResetTimer()
				for range b.N {
					next(kind == "update")
				}
				b.StopTimer()
				b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

// BenchmarkSearch measures single searches, one after the other: the median and the 99th percentile.
func BenchmarkSearch(b *testing.B) {
	for _, rows := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			if rows > 100_000 && testing.Short() {
				b.Skip("large")
			}
			x := openDir(b, b.TempDir(), vector.Options{})
			defer x.Close()
			src := vectortest.New(1, benchDims, vectortest.Easy)
			start := time.Now()
			bulk(b, x, src, rows, 1000)
			b.Logf("filled %d rows in %v", rows, time.Since(start))
			if rows > 200_000 {
				measureSearch(b, x, src, vector.Query{K: 10}, "flat")
			}
			start = time.Now()
			if err := x.Maintain(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.Logf("maintained in %v: %+v", time.Since(start), x.Stats())
			report, err := x.Audit(b.Context(), 100)
			if err != nil {
				b.Fatal(err)
			}
			b.Logf("audit %+v", report)
			measureSearch(b, x, src, vector.Query{K: 10}, "top 10")
			measureSearch(b, x, src, vector.Query{K: 10, KeysOnly: true}, "top 10, keys only")
			measureSearch(b, x, src, vector.Query{K: 10, Terms: [][]byte{[]byte("p7")}}, "top 10, filter of 0.1 %")
		})
	}
}

func measureSearch(b *testing.B, x *vector.Index, src *vectortest.Source, q vector.Query, name string) {
	b.Run(name, func(b *testing.B) {
		queries := src.Take(200)
		var took []time.Duration
		for i := 0; b.Loop(); i++ {
			q.Vector = queries[i%len(queries)]
			start := time.Now()
			hits, err := x.Search(b.Context(), q)
			took = append(took, time.Since(start))
			if err != nil || len(hits) != q.K {
				b.Fatalf("%d hits, %v", len(hits), err)
			}
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	})
}

// BenchmarkOpen measures opening with a codes snapshot, after a clean close.
func BenchmarkOpen(b *testing.B) {
	for _, rows := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			if rows > 100_000 && testing.Short() {
				b.Skip("large")
			}
			dir := b.TempDir()
			x := openDir(b, dir, vector.Options{})
			bulk(b, x, vectortest.New(1, benchDims, vectortest.Easy), rows, 1000)
			if err := x.Close(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				x = openDir(b, dir, vector.Options{})
				if x.Len() != rows {
					b.Fatalf("%d rows", x.Len())
				}
				b.StopTimer()
				if err := x.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkFreshness measures one row from Apply to found, while a reader searches all the time.
func BenchmarkFreshness(b *testing.B) {
	x := openDir(b, b.TempDir(), vector.Options{})
	defer x.Close()
	src := vectortest.New(1, benchDims, vectortest.Easy)
	bulk(b, x, src, 50_000, 1000)
	query, row := src.Next(), src.Next()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := x.Search(b.Context(), vector.Query{Vector: query, K: 10}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	var took []time.Duration
	epoch := uint64(50)
	for b.Loop() {
		epoch++
		start := time.Now()
		err := x.Apply(b.Context(), &vector.Txn{Epoch: epoch, Upserts: []vector.Upsert{
			{Key: []byte("fresh"), Version: epoch, Vector: row},
		}})
		hits, searchErr := x.Search(b.Context(), vector.Query{Vector: row, K: 1})
		took = append(took, time.Since(start))
		if err != nil || searchErr != nil || len(hits) != 1 || hits[0].Version != epoch {
			b.Fatalf("%v %v %v", err, searchErr, hits)
		}
	}
	close(stop)
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
