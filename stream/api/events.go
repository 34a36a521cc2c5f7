package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/stream"
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

// stream answers with server-sent events until its reader has gone or the server stops. follow sends them.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, follow func(ctx context.Context, out *eventStream) error) {
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
	g.Go(func() error { return follow(ctx, out) })
	// Whatever ended the stream, its reader is gone or the server stops: nobody is left to tell.
	_ = g.Wait()
}

// tell sends one event, and before it how many the reader was too slow for.
func (e *eventStream) tell(name string, event any, lost int) error {
	if lost > 0 {
		if err := e.send("event: lost\ndata: {\"event\":\"lost\",\"count\":%d}\n\n", lost); err != nil {
			return err
		}
	}
	data, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return e.send("event: %s\ndata: %s\n\n", name, data)
}

// events streams changes as the sinks come to hold them.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	s.stream(w, r, func(ctx context.Context, out *eventStream) error {
		return s.flow.Changes.Changes(ctx, func(change engine.ChangeEvent, lost int) error { return out.tell("change", change, lost) })
	})
}

// tap streams the rows of a source or step as they are made.
func (s *Server) tap(w http.ResponseWriter, r *http.Request) {
	step := r.URL.Query().Get("step")
	if step == "" {
		s.answer(w, nil, &Fault{Code: "usage", Message: "tap what?", Hint: "ask for ?step=<name of a source or step>"})
		return
	}
	// A name that is not known is told before the stream begins.
	status := s.flow.Health.Status()
	_, isStep := status.Steps[step]
	_, isSource := status.Sources[step]
	if !isStep && !isSource {
		names := slices.Concat(slices.Collect(maps.Keys(status.Sources)), slices.Collect(maps.Keys(status.Steps)))
		s.answer(w, nil, &Fault{Code: "not_found", Message: fmt.Sprintf("no source or step is named %q", step),
			Hint: stream.DidYouMean("sources and steps", step, names)})
		return
	}
	s.stream(w, r, func(ctx context.Context, out *eventStream) error {
		return s.flow.Taps.Tap(ctx, step, func(row engine.TapRow, lost int) error { return out.tell("row", row, lost) })
	})
}
