package vector

import (
	"context"
	"runtime"
	"sync"
)

// shareBlocks is how many blocks each part of a scan has at least: with fewer, starting a goroutine and waiting for it costs
// more than it saves.
const shareBlocks = 64

// cancelled is how many blocks are scanned between two looks at the context.
const cancelled = 1024

// cores returns how many cores a search may use when so many are under way: alone it takes all, so that it is fast, and
// among many it takes one, so that they do not wait for each other.
func cores(searching int64) int {
	return max(1, runtime.GOMAXPROCS(0)/int(searching))
}

// parts returns into how many parts a scan of n blocks is cut.
func (s *scan) parts(n int) int { return max(1, min(s.cores, n/shareBlocks)) }

// spread calls work for the blocks 0 to n-1, in parts that run at the same time, each in order and with a scan of its own.
func (s *scan) spread(ctx context.Context, n int, work func(own *scan, part, block int)) error {
	parts := s.parts(n)
	run := func(part int) {
		own := *s
		for i, to := part*n/parts, (part+1)*n/parts; i < to; i++ {
			if i%cancelled == 0 && ctx.Err() != nil {
				return
			}
			work(&own, part, i)
		}
	}
	var wg sync.WaitGroup
	for part := 1; part < parts; part++ {
		wg.Go(func() { run(part) })
	}
	run(0)
	wg.Wait()
	return ctx.Err()
}
