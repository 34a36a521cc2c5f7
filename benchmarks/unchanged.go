package main

import (
	"context"
	"hash/maphash"
	"iter"

	"github.com/freshet/freshet/cdc"
)

// unchanged sends a table twice and measures the second time: a snapshot taken again, a topic read again.
func unchanged(ctx context.Context, s scale) ([]figure, error) {
	const rounds = 3
	n := s.of(500_000)
	f := newFlow(s, 8)
	var warm lap
	var watch stopwatch
	err := f.run(ctx, func(ctx context.Context, in *feed) error {
		if err := in.upserts(ctx, ascending(n, 0, 0)); err != nil {
			return err
		}
		if err := f.sink.await(ctx, n); err != nil {
			return err
		}
		watch = s.watch("known")
		for range rounds {
			if err := in.upserts(ctx, ascending(n, 0, 0)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	warm = watch.lap()
	cold, err := unchangedCold(ctx, s, f, n)
	if err != nil {
		return nil, err
	}
	limit := hashed(f.source.prose, ascending(n, 0, 0)).perCore(n)
	return []figure{
		{Name: "rows known in memory", Value: warm.perCore(n * rounds), Unit: "rows/s/core", Target: 500_000, CPU: warm.cpu, Wall: warm.wall,
			Beside: limit, BesideName: "making and hashing the same rows"},
		{Name: "first time after a start", Value: cold.perCore(n), Unit: "rows/s/core", CPU: cold.cpu, Wall: cold.wall,
			Beside: limit, BesideName: "making and hashing the same rows"},
	}, nil
}

// unchangedCold sends the table to a state that was opened anew: every row is compared with its record.
func unchangedCold(ctx context.Context, s scale, f *flow, n int) (lap, error) {
	var watch stopwatch
	err := f.run(ctx, func(ctx context.Context, in *feed) error {
		watch = s.watch("first")
		return in.upserts(ctx, ascending(n, 0, 0))
	})
	return watch.lap(), err
}

// hashed is what making rows and hashing their bytes costs: nobody who looks at a row can do with less.
func hashed(p prose, documents iter.Seq[document]) lap {
	w := writer{prose: p}
	var b cdc.Batch
	seed, sum := maphash.MakeSeed(), uint64(0)
	watch := startWatch()
	for d := range documents {
		w.add(&b, cdc.Update, d)
		if b.Len() < txnRows {
			continue
		}
		for i := range b.Len() {
			sum ^= maphash.Bytes(seed, b.At(i).After)
		}
		b.Reset()
	}
	if sum == 0 {
		return lap{}
	}
	return watch.lap()
}
