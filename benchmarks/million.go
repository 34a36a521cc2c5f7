package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/sinks/vector/vectortest"
)

// million fills an index with a million vectors, has it partition itself, and searches it; then it opens
// it once more. With --quick the threshold of partitions shrinks with the rows.
func million(ctx context.Context, s scale) ([]figure, error) {
	const epochRows, queried, judged = 1000, 1000, 50
	n, dir := s.of(1_000_000), filepath.Join(s.dir, "index")
	o := vector.Options{Dims: indexDims, IVFRows: s.of(200_000)}
	x, err := vector.Open(dir, o)
	if err != nil {
		return nil, err
	}
	drawn := vectortest.New(1, indexDims, vectortest.Easy)
	queries := drawn.Take(queried)
	truth := newScan(queries[:judged], 10)
	var fill, scanned lap
	epoch := uint64(0)
	for at := 0; at < n && err == nil; at += epochRows {
		epoch++
		txn := vector.Txn{Epoch: epoch, Upserts: make([]vector.Upsert, epochRows)}
		for i := range txn.Upserts {
			txn.Upserts[i] = upsert(at+i, epoch, drawn.Next())
		}
		watch := startWatch()
		for i := range txn.Upserts {
			truth.see(at+i, txn.Upserts[i].Vector)
		}
		scanned.add(watch.lap())
		watch = startWatch()
		err = x.Apply(ctx, &txn)
		fill.add(watch.lap())
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	figures, err := searchMillion(ctx, x, truth, queries, scanned.cpu/judged*1e3, n)
	if err = errors.Join(err, x.Close()); err != nil {
		return nil, err
	}
	watch := startWatch()
	if x, err = vector.Open(dir, o); err != nil {
		return nil, err
	}
	opened := watch.lap()
	return append(figures,
		figure{Name: "durable upserts", Value: float64(n) / fill.wall, Unit: "rows/s", Target: 40_000, CPU: fill.cpu, Wall: fill.wall},
		figure{Name: "opening after a clean close", Value: opened.wall, Unit: "s", Target: 2, AtMost: true, CPU: opened.cpu, Wall: opened.wall},
	), x.Close()
}

func searchMillion(ctx context.Context, x *vector.Index, truth *scan, queries [][]float32, scan float64, n int) ([]figure, error) {
	watch := startWatch()
	if err := x.Maintain(ctx); err != nil {
		return nil, err
	}
	maintained := watch.lap()
	found, err := searches(ctx, x, queries)
	if err != nil {
		return nil, err
	}
	recall, err := truth.recall(ctx, x)
	if err != nil {
		return nil, err
	}
	size := fmt.Sprintf("%s × %d", number(float64(n)), indexDims)
	return append(found.figures(size, scan),
		figure{Name: "recall@10", Value: recall, Unit: "", Target: 0.99, BesideName: "a scan of the exact vectors"},
		figure{Name: "partitioning", Value: maintained.wall, Unit: "s", CPU: maintained.cpu, Wall: maintained.wall,
			BesideName: fmt.Sprintf("into %d lists", x.Stats().Lists)}), nil
}
