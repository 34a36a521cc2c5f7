package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc"
)

// inlet is the door of one source: a queue of batches bounded in bytes (I9). The source puts, the loop
// takes; whoever puts waits while the queue is full, which is how backpressure reaches the source.
type inlet struct {
	wake   func() // tells the loop; never blocks
	source string
	log    *slog.Logger

	mu       sync.Mutex
	room     sync.Cond
	queue    []*cdc.Batch
	spare    []*cdc.Batch
	bytes    int64 // in the queue
	limit    int64
	caughtUp bool
	ended    bool // Run has returned without error
	problem  error
	since    time.Time // of the problem
	changes  int64
	put      int64 // batches put since the start
	taken    int64
	caughtAt int64 // put when the source said that it had caught up
}

func newInlet(source string, limit int64, wake func(), log *slog.Logger) *inlet {
	in := &inlet{wake: wake, source: source, log: log, limit: limit}
	in.room.L = &in.mu
	return in
}

// Put implements cdc.Inlet.
func (in *inlet) Put(ctx context.Context, b *cdc.Batch) error {
	stop := context.AfterFunc(ctx, func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.room.Broadcast()
	})
	defer stop()
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.queue) > 0 && in.bytes+b.Bytes() > in.limit && ctx.Err() == nil {
		in.room.Wait()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	in.queue = append(in.queue, b)
	in.bytes += b.Bytes()
	in.put++
	in.wake()
	return nil
}

// Batch implements cdc.Inlet.
func (in *inlet) Batch() *cdc.Batch {
	in.mu.Lock()
	defer in.mu.Unlock()
	if n := len(in.spare); n > 0 {
		b := in.spare[n-1]
		in.spare = in.spare[:n-1]
		return b
	}
	return &cdc.Batch{}
}

// CaughtUp implements cdc.Inlet.
func (in *inlet) CaughtUp(context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.caughtUp {
		in.caughtUp, in.caughtAt = true, in.put
	}
	in.wake()
	return nil
}

// Problem implements cdc.Inlet. The end of a problem is told as loud as its beginning: whoever was woken by that looks for it.
func (in *inlet) Problem(err error) {
	in.mu.Lock()
	was, since := in.problem, in.since
	if was == nil {
		in.since = time.Now()
	}
	in.problem = err
	in.mu.Unlock()
	if was != nil && err == nil {
		in.log.Warn("source is read again", "source", in.source, "after", time.Since(since).Round(time.Millisecond), "was", was)
	}
}

// end says that the source has returned.
func (in *inlet) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ended = true
	if !in.caughtUp {
		in.caughtUp, in.caughtAt = true, in.put
	}
	in.wake()
}

// take removes the next batch, or returns nil.
func (in *inlet) take() *cdc.Batch {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.queue) == 0 {
		return nil
	}
	b := in.queue[0]
	in.queue = in.queue[1:]
	in.bytes -= b.Bytes()
	in.taken++
	in.room.Broadcast()
	return b
}

// spareMax bounds the batches that are kept for another use, and spareBytes their size.
const (
	spareMax   = 2
	spareBytes = 2 << 20
)

// give returns a batch whose epoch is done.
func (in *inlet) give(b *cdc.Batch) {
	if b.Bytes() > spareBytes {
		return
	}
	b.Reset()
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.spare) < spareMax {
		in.spare = append(in.spare, b)
	}
}

// caught reports whether everything that the source had at its start has been taken, and done whether
// nothing more can come.
func (in *inlet) caught() (caught, done bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.caughtUp && in.taken >= in.caughtAt, in.ended && len(in.queue) == 0
}

func (in *inlet) hindrance() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.problem
}

func (in *inlet) queued() int64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.bytes
}
