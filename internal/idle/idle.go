// Package idle is the wait between two attempts that the end of a context cuts short, for sources and sinks
// alike. Nothing else belongs here: what to try again, and how often, is known to whoever tries. It imports none of
// Freshet's packages.
package idle

import (
	"context"
	"time"
)

// For waits that long, or until ctx ends, of which it returns the error.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
