package engine

import (
	"context"
	"sync"
	"time"
)

// ChangeEvent tells what one change of a source row has come to, once the sinks hold it.
type ChangeEvent struct {
	Event   string `json:"event"` // change
	Source  string `json:"source"`
	Key     string `json:"key"`
	Why     string `json:"why,omitempty"` // in words
	Calls   int    `json:"calls"`
	Upserts int    `json:"upserts"`
	Deletes int    `json:"deletes"`
	Epoch   uint64 `json:"epoch"`
	// FreshMS is the time from the source's commit until every sink held the change, in milliseconds; 0 where
	// the source does not say when that was.
	FreshMS float64 `json:"fresh_ms,omitempty"`

	root  int
	owner []byte
	time  int64 // source commit, microseconds since 1970
}

// broadcaster tells whoever listens of changes. It never waits for a listener: one that does not keep
// up loses events and is told how many.
type broadcaster struct {
	mu        sync.Mutex
	waiting   []ChangeEvent // decided, not yet held by the sinks
	listeners map[*listener]struct{}
}

type listener struct {
	queue []ChangeEvent
	lost  int
	ready chan struct{}
}

// queueMax bounds the events that wait for one listener, and those that wait for the sinks.
const queueMax = 1024

func newBroadcaster() *broadcaster { return &broadcaster{listeners: map[*listener]struct{}{}} }

func (b *broadcaster) add(epoch uint64, events []ChangeEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.listeners) == 0 {
		b.waiting = nil
		return
	}
	for _, ev := range events {
		if len(b.waiting) < queueMax {
			ev.Epoch = epoch
			b.waiting = append(b.waiting, ev)
		}
	}
}

func (b *broadcaster) listening() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.listeners) > 0
}

// release passes on the events of epochs that the sinks hold.
func (b *broadcaster) release(settled func(epoch uint64) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for n < len(b.waiting) && settled(b.waiting[n].Epoch) {
		n++
	}
	if n == 0 {
		return
	}
	now := time.Now().UnixMicro()
	for i := range b.waiting[:n] {
		if ev := &b.waiting[i]; ev.time > 0 {
			ev.FreshMS = float64(max(0, now-ev.time)) / 1000
		}
	}
	for l := range b.listeners {
		for _, ev := range b.waiting[:n] {
			if len(l.queue) == queueMax {
				l.lost++
				continue
			}
			l.queue = append(l.queue, ev)
		}
		select {
		case l.ready <- struct{}{}:
		default:
		}
	}
	b.waiting = append([]ChangeEvent(nil), b.waiting[n:]...)
}

// Changes calls fn with every change that the sinks come to hold, until ctx ends or fn returns an error.
// lost is the number of events that were dropped since the last call because fn did not keep up.
func (e *Engine) Changes(ctx context.Context, fn func(ev ChangeEvent, lost int) error) error {
	l := &listener{ready: make(chan struct{}, 1)}
	b := e.events
	b.mu.Lock()
	b.listeners[l] = struct{}{}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.listeners, l)
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ready:
		}
		b.mu.Lock()
		queue, lost := l.queue, l.lost
		l.queue, l.lost = nil, 0
		b.mu.Unlock()
		for _, ev := range queue {
			if err := fn(ev, lost); err != nil {
				return err
			}
			lost = 0
		}
	}
}
