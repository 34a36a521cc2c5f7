package main

import (
	"context"
	"sync"
	"time"

	"github.com/freshet/freshet/stream"
)

// null is a stream.Sink that counts what it gets and drops it.
type null struct {
	read  bool          // look at every effect, which fetches vectors from the memo
	delay time.Duration // of every Apply

	more    chan struct{} // one place: that the count has grown, not by how much
	mu      sync.Mutex
	effects int
}

func newNull() *null { return &null{more: make(chan struct{}, 1)} }

// Bind implements stream.Sink.
func (n *null) Bind(in []stream.Collection) (stream.Binding, error) {
	return stream.Binding{Columns: make([][]string, len(in))}, nil
}

// Open implements stream.Sink. It takes the word of the state for what it holds.
func (n *null) Open(_ context.Context, t stream.Target) (stream.Writer, error) {
	return &nullWriter{null: n, progress: stream.Progress{Generation: t.Generation + 1, Epoch: t.Epoch}}, nil
}

type nullWriter struct {
	*null
	progress stream.Progress
}

// Progress implements stream.Writer.
func (w *nullWriter) Progress() stream.Progress { return w.progress }

// Close implements stream.Writer.
func (w *nullWriter) Close() error { return nil }

// Apply implements stream.Writer.
func (w *nullWriter) Apply(ctx context.Context, txn *stream.Txn) error {
	if w.delay > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(w.delay):
		}
	}
	if w.read {
		for _, err := range txn.Effects {
			if err != nil {
				return err
			}
		}
	}
	w.mu.Lock()
	w.effects += txn.Count
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
	return nil
}

// count is how many effects have been applied.
func (n *null) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.effects
}

// await returns when the sink has taken so many effects since it was made. One goroutine waits at a time.
func (n *null) await(ctx context.Context, effects int) error {
	for n.count() < effects {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-n.more:
		}
	}
	return nil
}
