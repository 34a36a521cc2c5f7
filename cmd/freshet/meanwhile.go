package main

import (
	"context"
	"sync"
	"time"

	"github.com/freshet/freshet/internal/idle"
)

// meanwhileAfter is how long a person waits without a word.
const meanwhileAfter = 2 * time.Second

// meanwhile does what may take long, and says at a terminal what it waits for once it does.
func (c *cli) meanwhile(ctx context.Context, what string, do func() error) error {
	if !c.terminal {
		return do()
	}
	ctx, done := context.WithCancel(ctx)
	var telling sync.WaitGroup
	telling.Go(func() {
		if idle.For(ctx, meanwhileAfter) == nil {
			c.note("still waiting for %s", what)
		}
	})
	defer telling.Wait()
	defer done()
	return do()
}
