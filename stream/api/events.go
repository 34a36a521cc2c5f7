package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/stream/engine"
)

// beat is how often a stream says that it lives, so that proxies and browsers keep it open and a reader
// that has gone is noticed.
const beat = 15 * time.Second

var errClosing = errors.New("the server stops")

// eventStream writes server-sent events. One event is written at a time.
type eventStream struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
}

// send writes one event. A reader that does not take it in time is cut off: the engine waits for nobody.
func (e *eventStream) send(format string, args ...any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.control.SetWriteDeadline(time.Now().Add(2 * beat)); err != nil {
		return fmt.Errorf("bound the write: %w", err)
	}
	if _, err := fmt.Fprintf(e.w, format, args...); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := e.control.Flush(); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

// events streams changes as the sinks come to hold them: `event: change`, and `event: lost` with a count
// where the reader did not keep up.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	out := &eventStream{w: w, control: http.NewResponseController(w)}
	// The bound on reading a request does not hold for a stream, whose reader says nothing more.
	if out.control.SetReadDeadline(time.Time{}) != nil {
		return
	}
	g, ctx := errgroup.WithContext(r.Context())
	g.Go(func() error {
		timer := time.NewTicker(beat)
		defer timer.Stop()
		for {
			if err := out.send(": alive\n\n"); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.closing:
				return errClosing
			case <-timer.C:
			}
		}
	})
	g.Go(func() error { return follow(ctx, s.flow.Changes, out) })
	// Whatever ended the stream, its reader is gone or the server stops: nobody is left to tell.
	_ = g.Wait()
}

func follow(ctx context.Context, changes Follower, out *eventStream) error {
	return changes.Changes(ctx, func(change engine.ChangeEvent, lost int) error {
		if lost > 0 {
			if err := out.send("event: lost\ndata: {\"event\":\"lost\",\"count\":%d}\n\n", lost); err != nil {
				return err
			}
		}
		data, err := json.Marshal(change)
		if err != nil {
			return fmt.Errorf("write event: %w", err)
		}
		return out.send("event: change\ndata: %s\n\n", data)
	})
}
