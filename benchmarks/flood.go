package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/freshet/freshet/internal/machine"
)

// flood lets a source put rows as fast as it can while a sink is slow, and then while a model does not
// answer at all, and looks how much memory the process takes: it may be a fifth over limits.memory.
func flood(ctx context.Context, s scale) ([]figure, error) {
	const limit = 256 << 20
	f := newFlow(s, 8)
	f.memory, f.sink.delay = limit, 20*time.Millisecond
	rows := s.of(1_000_000)
	f.plain = true
	watch := s.watch("sink")
	err := f.run(ctx, func(ctx context.Context, in *feed) error {
		return in.upserts(ctx, func(yield func(document) bool) {
			for i := range rows {
				if !yield(document{key: i, text: i, size: 800}) {
					return
				}
			}
		})
	})
	if err != nil {
		return nil, err
	}
	slow := watch.lap()
	afterSink, err := machine.PeakMemory()
	if err != nil {
		return nil, err
	}
	put, stuck, err := floodStuck(ctx, s, limit)
	if err != nil {
		return nil, err
	}
	afterModel, err := machine.PeakMemory()
	if err != nil {
		return nil, err
	}
	const mib = 1 << 20
	return []figure{
		{Name: "peak memory, slow sink", Value: float64(afterSink) / mib, Unit: "MiB", Target: limit / mib * 6 / 5, AtMost: true, CPU: slow.cpu, Wall: slow.wall,
			BesideName: fmt.Sprintf("%s MB put", number(float64(rows)*850/1e6))},
		{Name: "peak memory, model that is gone", Value: float64(afterModel) / mib, Unit: "MiB", Target: limit / mib * 6 / 5, AtMost: true, CPU: stuck.cpu, Wall: stuck.wall,
			BesideName: fmt.Sprintf("%s rows taken before the source had to wait", number(float64(put)))},
	}, nil
}

// floodStuck feeds a flow whose model answers nothing, until the source has been made to wait.
func floodStuck(ctx context.Context, s scale, limit int64) (put int, _ lap, err error) {
	f := newFlow(scale{dir: filepath.Join(s.dir, "stuck")}, 8)
	f.memory, f.model.stuck = limit, true
	length := 15 * time.Second
	if s.quick {
		length = 3 * time.Second
	}
	within, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	watch := s.watch("model")
	err = f.run(within, func(ctx context.Context, in *feed) error {
		for i := 0; ; i++ {
			put = i * txnRows
			err := in.upserts(ctx, func(yield func(document) bool) {
				for k := range txnRows {
					if !yield(document{key: put + k, text: put + k, size: 800}) {
						return
					}
				}
			})
			if err != nil {
				return err
			}
		}
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return put, watch.lap(), err
}
