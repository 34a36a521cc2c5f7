package accel_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/freshet/freshet/accel"
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
