package main

import (
	"context"
	"errors"
	"time"

	"github.com/freshet/freshet/statestore"
)

// patience is how long a verb waits for a state that somebody holds and nobody answers for: another verb
// that is about to be done, or a flow that is about to answer.
const (
	patience     = 2 * time.Second
	patienceBeat = 50 * time.Millisecond
)

// either asks the process that runs the flow of a file or, where nobody runs it, opens the state itself.
func either[T any](ctx context.Context, c *console, path string, running func(*peer) (T, error), stopped func(*flow) (T, error)) (T, error) {
	var none T
	state, err := c.place(path)
	if err != nil {
		return none, err
	}
	if p, ok := findPeer(ctx, state); ok {
		return running(p)
	}
	f, err := c.open(ctx, path)
	if err != nil {
		return none, err
	}
	var inUse *statestore.InUseError
	for end := time.Now().Add(patience); ; {
		value, err := stopped(f)
		if !errors.As(err, &inUse) || time.Now().After(end) {
			return value, f.safe(err)
		}
		if p, ok := findPeer(ctx, f.state); ok {
			return running(p)
		}
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-time.After(patienceBeat):
		}
	}
}

// reading opens the state of a stopped flow without changing it, for as long as fn takes.
func reading[T any](f *flow, fn func(*statestore.DB) (T, error)) (T, error) {
	return holding(f, true, fn)
}

func holding[T any](f *flow, readOnly bool, fn func(*statestore.DB) (T, error)) (T, error) {
	var none T
	db, err := f.store(readOnly)
	if err != nil {
		return none, err
	}
	value, err := fn(db)
	if err = errors.Join(err, db.Close()); err != nil {
		return none, err
	}
	return value, nil
}
