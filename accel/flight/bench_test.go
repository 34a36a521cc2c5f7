package flight_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/flight"
)

// BenchmarkVectors asks a worker for vectors of 384 numbers, 256 texts of 500 bytes in a request, two requests
// at once: the target is 300,000 vectors in a second over a socket, with the worker, which copies what it has
// and computes nothing, on the same two cores. With the peer in Go both sides are this process, and rows/cpu-s is
// what a second of one core comes to, also on a machine that others use.
func BenchmarkVectors(b *testing.B) {
	const rows, dims = 256, 384
	places, numbers := make([]int64, rows), make([]float32, rows)
	texts := make([]accel.Asked, rows)
	for i := range rows {
		places[i], numbers[i] = int64(i), float32(i)
		texts[i].Text = fmt.Sprint(i, strings.Repeat(" freshet", 62))
	}
	ready := part(dims, places, numbers)
	p := &peer{dims: dims, reply: func(*array.String) []arrow.Record {
		ready.Retain()
		return []arrow.Record{ready}
	}}
	b.Run("peer in Go", func(b *testing.B) {
		measure(b, embedder(b, client(b, flight.Options{Addresses: []string{listenPeer(b, p)}}), "embed"), texts)
	})
	const source = `
import numpy
from freshet_worker import Embedding, serve
ready = numpy.ones((256, 384), dtype=numpy.float32)
serve(Embedding(lambda texts: ready[:len(texts)], dims=384))
`
	b.Run("Python over pipes", func(b *testing.B) {
		measure(b, embedder(b, client(b, program(b, source)), "embed"), texts)
	})
	b.Run("Python over Flight", func(b *testing.B) {
		measure(b, embedder(b, client(b, flight.Options{Addresses: []string{listenTo(b, source)}}), "embed"), texts)
	})
}

func measure(b *testing.B, e *flight.Embedder, texts []accel.Asked) {
	b.Helper()
	if _, err := e.Answer(b.Context(), texts); err != nil {
		b.Fatal(err)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.SetBytes(int64(len(texts)) * 384 * 4)
	b.ReportAllocs()
	b.ResetTimer()
	spent := processorTime(b)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := e.Answer(b.Context(), texts); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	both.Wait()
	b.ReportMetric(float64(b.N*len(texts))/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(b.N*len(texts))/(processorTime(b)-spent).Seconds(), "rows/cpu-s")
}

// processorTime is what all threads of this process have used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
