package s3

import (
	"context"
	"sync"
)

// window holds the looks under way, at most lookWidth and never two of one key. It belongs to the run; the
// goroutines of looks only answer and send.
type window struct {
	keys     map[string]struct{}
	answered chan *look // has room for all looks under way, so that none waits to be taken
	working  sync.WaitGroup
}

func newWindow() *window {
	return &window{keys: make(map[string]struct{}), answered: make(chan *look, lookWidth)}
}

// ask has a look answered. The window has room, and the key is not in it.
func (w *window) ask(ctx context.Context, e *eye, l *look) {
	w.keys[l.key] = struct{}{}
	w.working.Go(func() {
		e.answer(ctx, l)
		w.answered <- l
	})
}

// holds reports whether a key is being looked at.
func (w *window) holds(key string) bool {
	_, ok := w.keys[key]
	return ok
}

func (w *window) full() bool  { return len(w.keys) >= lookWidth }
func (w *window) empty() bool { return len(w.keys) == 0 }

// taken forgets an answered look.
func (w *window) taken(l *look) { delete(w.keys, l.key) }
