package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/flowfile"
)

// outage is a server that a flow needs to begin, and that does not answer.
type outage struct {
	mu    sync.Mutex
	code  string // of the reason
	fault api.Fault
}

// Between two tries lies a pause that grows from outagePause to outagePauseMax.
const (
	outagePause    = 250 * time.Millisecond
	outagePauseMax = 5 * time.Second
)

// codeUnreachable is the code of a server that does not answer.
const codeUnreachable = "server_unreachable"

// absent reports whether an error says that servers do not answer, or that another process has a source, and nothing else, and gives the reason's code: of a
// model, a source or a sink. What a person has to mend in the flow file is no outage.
func absent(err error) (code string, ok bool) {
	var (
		model       *fault
		diagnostics flowfile.Diagnostics
		problem     *stream.Problem
	)
	switch {
	case errors.As(err, &model):
		return "model_unavailable", model.Code == codeUnreachable
	case errors.As(err, &diagnostics):
		for _, d := range diagnostics {
			if d.Code != codeUnreachable {
				return "", false
			}
		}
		return "source_unavailable", true
	case inUse(err):
		return "source_unavailable", true
	case errors.As(err, &problem):
		return "sink_unavailable", problem.Code == codeUnreachable
	}
	return "", false
}

// patiently does what a flow begins with. Where a server that it needs does not answer, a service serves that reason and
// tries again, as it does when the server goes away later; a run with --once gives up.
func (c *cli) patiently(ctx context.Context, v *service, f *flow, do func() error) error {
	err := do()
	code, ok := absent(err)
	if !ok || v.once || ctx.Err() != nil {
		return err
	}
	var out outage
	out.say(f, code, err)
	waiting, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	var serving sync.WaitGroup
	defer serving.Wait()
	defer end()
	if err := c.serveOutage(waiting, v, f, &out, &serving, served); err != nil {
		return err
	}
	f.log.Warn("the flow waits to begin", "err", f.safe(err))
	for pause := outagePause; ; pause = min(2*pause, outagePauseMax) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case err := <-served:
			timer.Stop()
			return errors.Join(err, ctx.Err()) // the server ends with ctx, perhaps before we see that it has ended
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := do()
		if code, ok = absent(err); !ok {
			end()
			return errors.Join(err, <-served) // the address is free again, and the control file gone
		}
		out.say(f, code, err)
	}
}

// serveOutage answers where the flow will answer. What ends the server goes to served.
func (c *cli) serveOutage(ctx context.Context, v *service, f *flow, out *outage, serving *sync.WaitGroup, served chan<- error) error {
	name := f.file.Name
	l, err := v.listen(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.state, 0o700); err != nil {
		return errors.Join(fmt.Errorf("make the folder of the state: %w", err), l.Close())
	}
	if err := l.control.write(f.state); err != nil {
		return errors.Join(err, l.Close())
	}
	metrics := prometheus.NewRegistry()
	ask := func() (bool, []engine.Reason) {
		_, reasons := out.why()
		return false, reasons
	}
	if err := errors.Join(metrics.Register(thisBuild().metric(name)), metrics.Register(readiness{name, ask})); err != nil {
		return errors.Join(err, l.Close(), l.control.remove(f.state))
	}
	server := api.NewWaiting(out.why, api.Options{Flow: name, Token: l.control.Token, Remote: l.remote, Metrics: metrics, Logger: f.log})
	address := l.Addr().String()
	serving.Go(func() { served <- errors.Join(server.Serve(ctx, l), l.control.remove(f.state)) })
	if !v.announced {
		v.addr, v.announced = address, true // the flow answers at the same place
		return c.announce(name, address, pageAt(l.control.Address, l.control.TLS))
	}
	v.addr = address
	return nil
}

// say takes the newest word on the outage.
func (o *outage) say(f *flow, code string, err error) {
	told := faultOf(f.safe(err)).Fault
	told.Message = "the flow waits to begin: " + told.Message
	told.Hint = strings.TrimPrefix(told.Hint+"; it is tried again by itself, at least every 5 s", "; ")
	o.mu.Lock()
	defer o.mu.Unlock()
	o.code, o.fault = code, told
}

// why is the outage as those are told who ask.
func (o *outage) why() (api.Fault, []engine.Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fault, []engine.Reason{{Code: o.code, Message: o.fault.Message}}
}
