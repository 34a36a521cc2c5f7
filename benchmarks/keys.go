package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// keys loads few and many keys and measures at each what one edit costs, and how long a start takes until
// the first edit is durable and delivered.
func keys(ctx context.Context, s scale) ([]figure, error) {
	few, many := 10_000, s.of(1_000_000)
	low, err := loaded(ctx, s, "few", few)
	if err != nil {
		return nil, err
	}
	high, err := loaded(ctx, s, "many", many)
	if err != nil {
		return nil, err
	}
	return []figure{
		{Name: fmt.Sprintf("one edit among %s keys", number(float64(few))), Value: low.cost * 1e6, Unit: "µs CPU", CPU: low.edits.cpu, Wall: low.edits.wall},
		{Name: fmt.Sprintf("one edit among %s keys", number(float64(many))), Value: high.cost * 1e6, Unit: "µs CPU", CPU: high.edits.cpu, Wall: high.edits.wall,
			Target: 1.2 * low.cost * 1e6, AtMost: true, Beside: low.cost * 1e6, BesideName: "among few"},
		{Name: "edit to sink, p50, among few", Value: low.p50, Unit: "ms"},
		{Name: "edit to sink, p50, among many", Value: high.p50, Unit: "ms", Target: 3, AtMost: true, Beside: low.p50, BesideName: "among few"},
		{Name: "restart to first epoch", Value: high.restart.wall, Unit: "s", Target: 2, AtMost: true, CPU: high.restart.cpu, Wall: high.restart.wall,
			Beside: low.restart.wall, BesideName: "with few"},
		{Name: "loading", Value: high.load.perCore(many), Unit: "rows/s/core", CPU: high.load.cpu, Wall: high.load.wall,
			Beside: low.load.perCore(few), BesideName: "few"},
	}, nil
}

// loadedCosts are the figures of one number of keys.
type loadedCosts struct {
	load, edits, restart lap
	cost                 float64 // seconds of processor time for an edit
	p50                  float64 // milliseconds from put to sink
}

func loaded(ctx context.Context, s scale, name string, n int) (c loadedCosts, err error) {
	const edits = 1000
	f := newFlow(scale{dir: filepath.Join(s.dir, name)}, 8)
	watch := s.watch("load-" + name)
	var loadEnd lap
	var waits []time.Duration
	err = f.run(ctx, func(ctx context.Context, in *feed) error {
		if err := in.upserts(ctx, ascending(n, 0, 0)); err != nil {
			return err
		}
		if err := f.sink.await(ctx, n); err != nil {
			return err
		}
		loadEnd = watch.lap()
		return nil
	})
	if err != nil {
		return c, err
	}
	c.load = loadEnd
	watch = s.watch("start-" + name)
	err = f.run(ctx, func(ctx context.Context, in *feed) error {
		for i := range edits + 1 {
			if i == 1 {
				c.restart = watch.lap()
				if err := f.settle(ctx); err != nil {
					return err
				}
				watch = s.watch("edit-" + name)
			}
			began := time.Now()
			before := f.sink.count()
			k := scatter(i, n)
			d := document{key: k, title: 1, text: k, size: bodyBytes}
			if err := in.upserts(ctx, slices.Values([]document{d})); err != nil {
				return err
			}
			if err := f.sink.await(ctx, before+1); err != nil {
				return err
			}
			waits = append(waits, time.Since(began))
		}
		c.edits = watch.lap()
		return nil
	})
	slices.Sort(waits)
	if len(waits) > 0 {
		c.p50 = float64(waits[len(waits)/2].Microseconds()) / 1e3
	}
	c.cost = c.edits.cpu / edits
	return c, err
}
