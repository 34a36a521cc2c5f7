package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// confirmation tells one source what is durable, behind the loop's back: a source that is slow to hear
// it does not hold an epoch. Positions in between are skipped.
type confirmation struct {
	mu       sync.Mutex
	position cdc.Position
	more     chan struct{} // one place: that there is more, not how much
}

func (c *confirmation) set(p cdc.Position) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.position = p
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// run confirms until ctx ends. I1: only the loop sets a position, and only of a durable epoch.
func (c *confirmation) run(ctx context.Context, name string, to stream.Confirmer) error {
	told := cdc.Position("")
	for {
		c.mu.Lock()
		p := c.position
		c.mu.Unlock()
		if p != told {
			if err := to.Confirm(ctx, p); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("confirm to source %s: %w", name, err)
			}
			told = p
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.more:
		}
	}
}
