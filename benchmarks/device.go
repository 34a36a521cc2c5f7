package main

import (
	"context"
	"fmt"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
	bench "github.com/freshet/freshet/benchmarks/accel"
	"github.com/freshet/freshet/operators"
)

// device keeps a model at work that takes ten milliseconds for a batch and no processor: through the batcher alone, and
// through the whole engine, whose store keeps every vector.
func device(ctx context.Context, s scale) ([]figure, error) {
	const (
		batchTime         = 10 * time.Millisecond
		alone, engineRows = 2304, 400 // rows of a batch: 230,400 a second, and 40,000
		dims              = 384
	)
	n := s.of(1_000_000)
	d := bench.NewDevice(batchTime, 8)
	watch := s.watch("alone")
	took, err := bench.Alone(ctx, d, n, alone)
	if err != nil {
		return nil, err
	}
	lapAlone := watch.lap()
	busy, _ := d.Done()
	padding, err := bench.Padding(ctx, s.of(200_000))
	if err != nil {
		return nil, err
	}

	e := bench.NewDevice(batchTime, dims)
	f := newFlow(s, dims)
	f.device = e
	f.options = operators.ModelOptions{BatcherOptions: accel.BatcherOptions{Rows: engineRows, Tokens: 1 << 20,
		Governor: backpressure.New(backpressure.Options{Concurrency: 2})}}
	rows := s.of(400_000)
	var through stopwatch
	err = f.run(ctx, func(ctx context.Context, in *feed) error {
		through = s.watch("engine")
		if err := in.upserts(ctx, ascending(rows, 0, 0)); err != nil {
			return err
		}
		return f.sink.await(ctx, rows)
	})
	if err != nil {
		return nil, err
	}
	lapEngine := through.lap()
	engineBusy, done := e.Done()
	if done != rows {
		return nil, fmt.Errorf("measure device: it was asked for %d rows, not %d", done, rows)
	}
	const most = engineRows / 0.010 // rows a second that the device can do
	return []figure{
		{Name: "device at work, batcher alone", Value: busy.Seconds() / took.Seconds(), Unit: "of the time", Target: 0.99, CPU: lapAlone.cpu, Wall: lapAlone.wall},
		{Name: "rows through the batcher alone", Value: float64(n) / took.Seconds(), Unit: "rows/s", Target: 200_000, CPU: lapAlone.cpu, Wall: lapAlone.wall,
			BesideName: number(lapAlone.perCore(n)) + " rows/s/core"},
		{Name: "computed for each token, padding included", Value: padding, Unit: "tokens", Target: 1.10, AtMost: true},
		{Name: "rows through the engine over the device's 40,000/s", Value: float64(rows) / lapEngine.wall / most, Unit: "of 1", Target: 0.95, CPU: lapEngine.cpu, Wall: lapEngine.wall,
			BesideName: number(lapEngine.perCore(rows)) + " rows/s/core"},
		{Name: "device at work, whole engine", Value: engineBusy.Seconds() / lapEngine.wall, Unit: "of the time", CPU: lapEngine.cpu, Wall: lapEngine.wall},
	}, nil
}
