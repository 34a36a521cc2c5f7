package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/sinks/vector/vectortest"
	"github.com/freshet/freshet/statestore"
)

const indexDims = 384

// index fills an embedded index, replaces two and a half times as many rows as it has, and searches it.
func index(ctx context.Context, s scale) (figures []figure, err error) {
	const epochRows = 1000
	n := s.of(100_000)
	x, err := vector.Open(filepath.Join(s.dir, "index"), vector.Options{Dims: indexDims})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	// Vectors are drawn before the clock starts. A row's vector is the one at its number plus its version.
	drawn := vectortest.New(1, indexDims, vectortest.Easy).Take(n + n/2)
	held := make([]int, n) // which vector a row has
	epoch := uint64(0)
	apply := func(rows int, next func(i int) (row, vector int)) (lap, error) {
		watch := startWatch()
		for at := 0; at < rows; at += epochRows {
			epoch++
			txn := vector.Txn{Epoch: epoch, Upserts: make([]vector.Upsert, 0, epochRows)}
			for i := at; i < min(at+epochRows, rows); i++ {
				row, v := next(i)
				held[row] = v
				txn.Upserts = append(txn.Upserts, upsert(row, epoch, drawn[v]))
			}
			if err := x.Apply(ctx, &txn); err != nil {
				return lap{}, err
			}
		}
		return watch.lap(), nil
	}
	filled, err := apply(n, func(i int) (int, int) { return i, i })
	if err != nil {
		return nil, err
	}
	churned, err := apply(n/2*5, func(i int) (int, int) { k := scatter(i%n, n); return k, (k + 1 + i/n*n/4) % len(drawn) })
	if err != nil {
		return nil, err
	}
	if err := x.Maintain(ctx); err != nil {
		return nil, err
	}
	queries := vectortest.New(1, indexDims, vectortest.Easy).Take(n + n/2 + 1000)[n+n/2:]
	found, err := searches(ctx, x, queries)
	if err != nil {
		return nil, err
	}
	truth := newScan(queries[:50], 10)
	watch := startWatch()
	for row, v := range held {
		truth.see(row, drawn[v])
	}
	scanned := watch.lap().cpu / 50 * 1e3
	recall, err := truth.recall(ctx, x)
	if err != nil {
		return nil, err
	}
	raw, err := rawVectors(filepath.Join(s.dir, "raw"), n, epochRows)
	if err != nil {
		return nil, err
	}
	const beside = "synced puts of 400 B, the codes alone"
	return append([]figure{
		{Name: "durable upserts, new rows", Value: float64(n) / filled.wall, Unit: "rows/s", Target: 40_000, CPU: filled.cpu, Wall: filled.wall,
			Beside: float64(n) / raw.wall, BesideName: beside},
		{Name: "durable upserts, new rows", Value: filled.perCore(n), Unit: "rows/s/core", CPU: filled.cpu, Wall: filled.wall,
			Beside: raw.perCore(n), BesideName: beside},
		{Name: "durable upserts, same rows", Value: float64(n/2*5) / churned.wall, Unit: "rows/s", Target: 40_000, CPU: churned.cpu, Wall: churned.wall,
			Beside: float64(n) / raw.wall, BesideName: beside},
		{Name: "recall@10 after 250 % churn", Value: recall, Unit: "", Target: 0.99, BesideName: "a scan of the exact vectors"},
	}, found.figures(fmt.Sprintf("%s × %d", number(float64(n)), indexDims), scanned)...), nil
}

func upsert(row int, epoch uint64, v []float32) vector.Upsert {
	return vector.Upsert{Key: rowKey(row), Version: epoch, Vector: v, Payload: []byte(`{"title":"a title of usual length","lang":"en"}`)}
}

func rowKey(row int) []byte { return fmt.Appendf(nil, "document/%08d", row) }

// rawVectors writes as many records as the index, as large as its codes, into a store alone.
func rawVectors(dir string, n, epochRows int) (_ lap, err error) {
	store, err := statestore.OpenStore(dir, statestore.Options{OpaqueKeys: true})
	if err != nil {
		return lap{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	value := make([]byte, 400)
	watch := startWatch()
	b := store.NewBatch()
	for i := range n {
		for k := range value {
			value[k] = byte(i*k>>3) + byte(i)
		}
		b.Put(rowKey(i), value)
		if b.Count() < epochRows && i < n-1 {
			continue
		}
		if err := store.Commit(b, true); err != nil {
			return lap{}, err
		}
		b.Reset()
	}
	return watch.lap(), nil
}

// searched is what searches took, one after the other.
type searched struct {
	times []time.Duration // ascending
	took  lap
}

func searches(ctx context.Context, x *vector.Index, queries [][]float32) (r searched, err error) {
	for _, q := range queries[:20] { // caches of the processor
		if _, err := x.Search(ctx, vector.Query{Vector: q, K: 10}); err != nil {
			return r, err
		}
	}
	watch := startWatch()
	for _, q := range queries {
		began := time.Now()
		if _, err := x.Search(ctx, vector.Query{Vector: q, K: 10}); err != nil {
			return r, err
		}
		r.times = append(r.times, time.Since(began))
	}
	r.took = watch.lap()
	slices.Sort(r.times)
	return r, nil
}

// figures are the percentiles and the processor time of a search, beside the milliseconds that a scan of
// the exact vectors takes on one core.
func (r *searched) figures(size string, scan float64) []figure {
	at := func(share int) float64 {
		return float64(r.times[(len(r.times)-1)*share/100].Microseconds()) / 1e3
	}
	const beside = "scan of exact vectors, one core"
	return []figure{
		{Name: "search top 10, p50, " + size, Value: at(50), Unit: "ms", Beside: scan, BesideName: beside},
		{Name: "search top 10, p99, " + size, Value: at(99), Unit: "ms", Target: 2, AtMost: true, CPU: r.took.cpu, Wall: r.took.wall, Beside: scan, BesideName: beside},
		{Name: "search top 10, mean, " + size, Value: r.took.cpu / float64(len(r.times)) * 1e3, Unit: "ms CPU", Beside: scan, BesideName: beside},
	}
}
