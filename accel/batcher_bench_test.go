package accel_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

// instant answers at once, so that only the batcher's own work is left.
type instant struct{ vectors [][]float32 }

func (i instant) Identity() accel.Identity { return accel.Identity{} }

func (i instant) Embed(_ context.Context, texts []string) (accel.Reply, error) {
	return accel.Reply{Vectors: i.vectors[:len(texts)]}, nil
}

// BenchmarkCall is what one call costs between Submit and Done, without the model.
func BenchmarkCall(b *testing.B) {
	var answered sync.WaitGroup
	batcher := accel.NewBatcher(accel.Embeddings(instant{make([][]float32, 64)}), accel.BatcherOptions{Done: func(rs []accel.Result) {
		answered.Add(-len(rs))
	}})
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { batcher.Run(ctx) })
	defer running.Wait()
	defer cancel()
	calls := make([]accel.Call, 0, 1024)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		c := accel.Call{Text: "a text"}
		binary.LittleEndian.PutUint64(c.Fingerprint[:], uint64(n))
		if calls = append(calls, c); len(calls) == cap(calls) {
			answered.Add(len(calls))
			batcher.Submit(calls)
			answered.Wait()
			calls = calls[:0]
		}
	}
}

// device computes one batch at a time, in ten milliseconds each.
type device struct {
	one  sync.Mutex
	busy time.Duration
	flat [][]float32
}

func (d *device) Identity() accel.Identity { return accel.Identity{} }

func (d *device) Embed(_ context.Context, texts []string) (accel.Reply, error) {
	d.one.Lock()
	defer d.one.Unlock()
	begun := time.Now()
	<-time.After(10 * time.Millisecond)
	d.busy += time.Since(begun)
	return accel.Reply{Vectors: d.flat[:len(texts)]}, nil
}

// BenchmarkDevice is how busy a device is kept that takes ten milliseconds for a batch: the part of the time
// in which it computes, and the rows that it does in a second. Two requests are in flight: one computes
// while the next one is made.
func BenchmarkDevice(b *testing.B) {
	const rows = 2304
	d := &device{flat: make([][]float32, rows)}
	var answered sync.WaitGroup
	room := make(chan struct{}, 16*rows) // what may wait
	batcher := accel.NewBatcher(accel.Embeddings(d), accel.BatcherOptions{Rows: rows, Tokens: 1 << 20,
		Governor: backpressure.New(backpressure.Options{Concurrency: 2}), Done: func(rs []accel.Result) {
			for range rs {
				<-room
			}
			answered.Add(-len(rs))
		}})
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { batcher.Run(ctx) })
	defer running.Wait()
	defer cancel()
	begun := time.Now()
	calls := make([]accel.Call, 0, 256)
	n := 0
	for ; b.Loop(); n++ {
		c := accel.Call{Text: "a text"}
		binary.LittleEndian.PutUint64(c.Fingerprint[:], uint64(n))
		room <- struct{}{}
		if calls = append(calls, c); len(calls) == cap(calls) {
			answered.Add(len(calls))
			batcher.Submit(calls)
			calls = calls[:0]
		}
	}
	answered.Wait()
	took := time.Since(begun)
	b.ReportMetric(d.busy.Seconds()/took.Seconds(), "busy")
	b.ReportMetric(float64(n)/took.Seconds(), "rows/s")
}
