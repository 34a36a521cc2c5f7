package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/freshet/freshet/statestore"
)

// request is something that a person asks of the loop; it is carried out in an epoch.
type request struct {
	gather func(e *Engine, g *gathered)
	result chan error
	once   sync.Once
}

func (r *request) done(err error) { r.once.Do(func() { r.result <- err }) }

// requestQueue carries requests to the loop; whoever asks waits, so that it stays short.
type requestQueue struct {
	mu    sync.Mutex
	queue []*request
}

func (q *requestQueue) put(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, r)
}

func (q *requestQueue) take() []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	requests := q.queue
	q.queue = nil
	return requests
}

// ask hands a request to the loop and waits until it is durable.
func (e *Engine) ask(ctx context.Context, gather func(e *Engine, g *gathered)) error {
	r := &request{gather: gather, result: make(chan error, 1)} // one answer, so that the loop never waits
	e.requests.put(r)
	e.wake()
	select {
	case err := <-r.result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the engine: %w", ctx.Err())
	}
}

// RetryDeadLetters has the rows of dead letters tried again, all or one. It returns those concerned.
func (e *Engine) RetryDeadLetters(ctx context.Context, id string) ([]DeadLetter, error) {
	return e.askLetters(ctx, id, false)
}

// DiscardDeadLetters drops dead letters, all or one; their rows stay rejected until they change.
func (e *Engine) DiscardDeadLetters(ctx context.Context, id string) ([]DeadLetter, error) {
	return e.askLetters(ctx, id, true)
}

func (e *Engine) askLetters(ctx context.Context, id string, discard bool) ([]DeadLetter, error) {
	var tasks []*task
	letters := []DeadLetter{}
	err := scanLetters(e.db, func(_ []byte, k letterKey, l *storedLetter) error {
		if t := e.retryTask(k, discard); t != nil && (id == "" || l.ID == id) {
			l.Input = nil
			letters = append(letters, l.DeadLetter)
			tasks = append(tasks, t)
		}
		return nil
	})
	if err != nil || len(tasks) == 0 {
		return letters, err
	}
	return letters, e.ask(ctx, func(e *Engine, g *gathered) {
		for _, t := range tasks {
			e.merge(g, t)
		}
	})
}

// DiscardStopped drops dead letters of a stopped flow, all or one; their rows stay rejected.
func DiscardStopped(db *statestore.DB, id string) ([]DeadLetter, error) {
	dropped := []DeadLetter{}
	b := db.State.NewBatch()
	err := scanLetters(db, func(key []byte, _ letterKey, l *storedLetter) error {
		if id != "" && l.ID != id {
			return nil
		}
		b.Delete(key)
		l.Input = nil
		dropped = append(dropped, l.DeadLetter)
		return nil
	})
	if err != nil || len(dropped) == 0 {
		return dropped, err
	}
	return dropped, db.State.Commit(b, true)
}
