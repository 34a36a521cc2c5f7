package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/freshet/freshet/stream/api/console"
)

// Waiter lets a client read its own writes; see [engine.Engine.Wait].
type Waiter interface {
	Wait(ctx context.Context, source, position string) error
}

// Bounds of a wait, and what its answer may take beyond it.
const (
	waitTime    = 10 * time.Second // where the client does not say
	waitTimeMax = time.Hour
	waitSpare   = 10 * time.Second
)

// wait answers with the status once every sink that the source feeds holds the position.
func (s *Server) wait(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	source, position, patience := q.Get("source"), q.Get("position"), waitTime
	if source == "" || position == "" {
		s.answer(w, nil, &Fault{Code: "usage", Message: "wait for what?", Hint: "ask for ?source=<name>&position=<position>&timeout=10s"})
		return
	}
	if text := q.Get("timeout"); text != "" {
		var err error
		if patience, err = time.ParseDuration(text); err != nil || patience <= 0 || patience > waitTimeMax {
			s.answer(w, nil, &Fault{Code: "bad_value", Message: fmt.Sprintf("timeout is %q", text), Hint: "give a time such as 10s, at most 1h"})
			return
		}
	}
	ends := time.Now().Add(patience + waitSpare)
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetReadDeadline(ends), control.SetWriteDeadline(ends)); err != nil {
		s.answer(w, nil, fmt.Errorf("bound the wait: %w", err))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	err := s.untilClosing(ctx, func(ctx context.Context) error { return s.flow.Waiter.Wait(ctx, source, position) })
	if errors.Is(err, context.DeadlineExceeded) {
		err = &Fault{Code: "wait_timeout", Message: fmt.Sprintf("not every sink holds %s of source %s after %s", position, source, console.Lasting(patience)),
			Hint: "`freshet status <flow>` says what each sink holds and what keeps it; ask again, or wait longer"}
	}
	s.answer(w, s.flow.Health.Status(), err)
}

// untilClosing runs fn until it returns or the server stops.
func (s *Server) untilClosing(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	s.open.Go(func() { done <- fn(ctx) })
	select {
	case err := <-done:
		return err
	case <-s.closing:
		cancel(errClosing)
		<-done
		return &Fault{Code: "stopping", Message: "the flow stops", Hint: "ask again when it runs"}
	}
}
