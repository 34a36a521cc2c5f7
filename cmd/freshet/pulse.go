package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/freshet/freshet/internal/idle"
	"github.com/freshet/freshet/stream/api"
)

// While a question is open, its process is asked every pulseBeat whether it lives. One that does not even answer that for so
// long as silence is stopped, or frozen: no answer is to be waited for, however long this question may rightly take.
const (
	pulseBeat = time.Second
	silence   = 5 * time.Second
)

// silentError is why a question was given up.
type silentError struct{ after time.Duration }

func (*silentError) Error() string { return "the running flow does not answer" }

// put sends a question and has the answer read, which ends with what the deadline of ctx leaves; without one, with
// api.AnswerTime. A process that does not answer is a fault.
func (p *peer) put(ctx context.Context, method, path string, body any, read func(*http.Response) error) error {
	if _, limited := ctx.Deadline(); !limited {
		patient, cancel := context.WithTimeoutCause(ctx, api.AnswerTime, &silentError{api.AnswerTime})
		defer cancel()
		ctx = patient
	}
	return p.follow(ctx, method, path, body, read)
}

// follow is put for an answer that goes on until ctx ends or its reader has enough.
func (p *peer) follow(ctx context.Context, method, path string, body any, read func(*http.Response) error) error {
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var watching sync.WaitGroup
	defer watching.Wait()
	watched, seen := context.WithCancel(ctx)
	defer seen()
	watching.Go(func() { p.watch(watched, giveUp) })
	reply, err := p.send(ctx, method, path, body)
	if err == nil {
		defer reply.Body.Close()
		err = read(reply)
	}
	if silent, ok := errors.AsType[*silentError](context.Cause(ctx)); ok && err != nil {
		return p.mute(holder(p.state), silent.after)
	}
	return err
}

// watch gives a question up when the process has been silent for too long. It returns when ctx ends, or then.
func (p *peer) watch(ctx context.Context, giveUp context.CancelCauseFunc) {
	heard := time.Now()
	for idle.For(ctx, pulseBeat) == nil {
		if err := p.beat(ctx); !late(err) {
			heard = time.Now() // what broke the connection has answered, too: the question will meet it itself
		} else if time.Since(heard) >= silence {
			giveUp(&silentError{silence})
			return
		}
	}
}

func (p *peer) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	reply, err := p.send(ctx, http.MethodGet, "/livez", nil)
	if err != nil {
		return err
	}
	return reply.Body.Close()
}

// late reports whether an error is that nobody answered in time.
func late(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}
