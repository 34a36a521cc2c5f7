package accel

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
)

// Alone keeps a device at work on rows through a batcher and its governor alone, with two requests in flight: one
// computes while the next is made. It returns when all rows are answered.
func Alone(ctx context.Context, d *Device, rows, batch int) (took time.Duration, err error) {
	room := make(chan struct{}, 16*batch) // what may wait
	var answered sync.WaitGroup
	b := accel.NewBatcher(accel.Embeddings(d), accel.BatcherOptions{Rows: batch, Tokens: 1 << 20,
		Governor: backpressure.New(backpressure.Options{Concurrency: 2}), Done: func(results []accel.Result) {
			for range results {
				<-room
			}
			answered.Add(-len(results))
		}})
	begun := time.Now()
	err = running(ctx, b, func() {
		calls := make([]accel.Call, 0, 256)
		for n := range rows {
			c := accel.Call{Text: "a text"}
			binary.LittleEndian.PutUint64(c.Fingerprint[:], uint64(n)+1)
			room <- struct{}{}
			if calls = append(calls, c); len(calls) == cap(calls) || n == rows-1 {
				answered.Add(len(calls))
				b.Submit(calls)
				calls = calls[:0]
			}
		}
		answered.Wait()
	})
	return time.Since(begun), err
}

// running runs a batcher while do does.
func running(ctx context.Context, b *accel.Batcher, do func()) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	var failed error
	group.Go(func() {
		if err := b.Run(ctx); err != nil && ctx.Err() == nil {
			failed = err
		}
	})
	do()
	cancel()
	group.Wait()
	return failed
}

// Padding is what a model that pads computes for each token that is none of its padding: texts of the lengths that
// documents have (log-normal, 50 tokens in the middle), sent through a batcher that knows of the padding.
func Padding(ctx context.Context, texts int) (ratio float64, err error) {
	rng := rand.New(rand.NewPCG(1, 2))
	long := strings.Repeat("word ", 4096)
	var answered sync.WaitGroup
	b := accel.NewBatcher(accel.Embeddings(NewDevice(0, 1)), accel.BatcherOptions{Rows: 256, Tokens: 8192, Padded: true,
		Done: func(results []accel.Result) { answered.Add(-len(results)) }})
	calls := make([]accel.Call, texts)
	for i := range calls {
		bytes := 3 * 50 * math.Exp(0.9*rng.NormFloat64())
		calls[i].Text = long[:min(max(int(bytes), 3), len(long))]
		binary.LittleEndian.PutUint64(calls[i].Fingerprint[:], uint64(i)+1)
	}
	answered.Add(texts)
	err = running(ctx, b, func() {
		b.Submit(calls)
		answered.Wait()
	})
	s := b.Stats()
	if err == nil && s.RealTokens == 0 {
		err = fmt.Errorf("measure padding: nothing was sent")
	}
	return float64(s.PaddedTokens) / float64(s.RealTokens), err
}
