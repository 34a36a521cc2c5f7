package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/machine"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) runVerb() *cobra.Command {
	var s service
	cmd := &cobra.Command{
		Use:   "run FLOW",
		Short: "Run a flow: as a service, or --once to catch up and end",
		Long: `Run keeps the sinks of a flow in step with its sources until it is told to stop:
SIGTERM or SIGINT makes no new call, awaits those in flight, syncs the state and
exits 0; a second signal ends at once.

With --once it catches up with the sources as they stand at the start, and exits
0 when everything is applied, 1 when rows are left as dead letters.

A running service answers at --addr: the console, /api/v1, /metrics, /livez,
/readyz. Where a server that it needs does not answer when it starts, it waits,
and /readyz says for whom; with --once that is exit 3.`,
		Example: "  freshet run flow.yaml\n  freshet run flow.yaml --once",
		Args:    takes("flow file"),
	}
	s.serving.flags(cmd)
	cmd.Flags().BoolVar(&s.once, "once", false, "catch up with the sources as they stand now, then end")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		s.path = args[0]
		s.quiet = s.once && s.addr == ""
		return c.serve(cmd.Context(), &s)
	})
	return cmd
}

// service is a flow that is to be run.
type service struct {
	serving
	path  string
	once  bool
	quiet bool // nothing is served
	// announced: the address has been told.
	announced bool
	// beside runs beside the flow until ctx ends; nil: nothing does.
	beside func(ctx context.Context, s *session, page string) error
}

// listening is the first event of a service, printed once it answers.
type listening struct {
	Event string `json:"event"`
	Flow  string `json:"flow"`
	Addr  string `json:"addr"`
}

// serve runs a flow to its end. What it heals by itself (a sink that loses its rows, a source that has to be
// read again or planned anew) ends one session and begins the next.
func (c *cli) serve(ctx context.Context, v *service) (result, error) {
	f, err := c.outline(v.path)
	if err != nil {
		return result{}, err
	}
	if err := c.patiently(ctx, v, f, func() error { return f.check(ctx) }); err != nil {
		return result{}, stopped(ctx, err)
	}
	machine.KeepWithin(engine.HeapBytes(f.plan.Limits))
	var total engine.Summary
	for {
		sum, err := c.attend(ctx, v, f)
		total.RowsApplied, total.Calls, total.DeadLetters = total.RowsApplied+sum.RowsApplied, total.Calls+sum.Calls, sum.DeadLetters
		if err == nil {
			return c.ended(v, total)
		}
		if ctx.Err() != nil {
			return result{}, f.safe(err)
		}
		if f, err = c.recover(ctx, v, f, err); err != nil {
			return result{}, stopped(ctx, err)
		}
	}
}

// recover prepares the next session after an error that the flow heals by itself; other errors are given
// back. I10: what happened is said, and nobody has to do something.
func (c *cli) recover(ctx context.Context, v *service, f *flow, err error) (next *flow, _ error) {
	var reading *engine.ReadError
	switch {
	case errors.Is(err, stream.ErrLost):
		f.log.Warn("the flow begins anew: a sink has lost rows, which are written again", "err", err)
	case errors.Is(err, cdc.ErrChanged):
		f.log.Warn("the flow begins anew: a source is not what the flow was planned with", "err", err)
	case errors.Is(err, cdc.ErrReread) && errors.As(err, &reading):
		f.log.Warn("the flow begins anew: a source is read again, and what differs is written", "source", reading.Source, "err", err)
		if err := f.reset(engine.Reset{Source: reading.Source}); err != nil {
			return nil, f.safe(err)
		}
	default:
		return nil, f.safe(err)
	}
	err = c.patiently(ctx, v, f, func() (err error) {
		next, err = f.anew(ctx)
		return err
	})
	return next, err
}

// attend runs one session of a flow.
func (c *cli) attend(ctx context.Context, v *service, f *flow) (engine.Summary, error) {
	registry := prometheus.NewRegistry()
	metrics, err := engine.NewMetrics(f.plan.Flow, registry)
	if err != nil {
		return engine.Summary{}, err
	}
	var s *session
	if err := c.patiently(ctx, v, f, func() error {
		_, err := f.awaited(ctx, func() (err error) {
			s, err = f.begin(ctx, engine.Options{Once: v.once, Metrics: metrics, Crash: c.crash})
			return err
		})
		return err
	}); err != nil || s == nil {
		return engine.Summary{}, stopped(ctx, err)
	}
	for _, more := range []prometheus.Collector{s.engine.Collector(), thisBuild().metric(s.plan.Flow), readiness{s.plan.Flow, s.engine.Ready}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(more); err != nil {
			return engine.Summary{}, errors.Join(err, s.end())
		}
	}
	err = c.runBeside(ctx, v, s, registry)
	summary := s.engine.Summary()
	return summary, stopped(ctx, errors.Join(err, s.end()))
}

// runBeside runs the engine and what goes along with it, and waits for all of it.
func (c *cli) runBeside(ctx context.Context, v *service, s *session, registry *prometheus.Registry) error {
	g, running := errgroup.WithContext(ctx)
	besides, endBesides := context.WithCancel(context.WithoutCancel(ctx))
	defer endBesides()
	page := ""
	if !v.quiet {
		out, err := v.listen(s.plan.Flow)
		if err != nil {
			return err
		}
		address := out.Addr().String()
		page = pageAt(out.control.Address, out.control.TLS)
		if err := out.control.write(s.state); err != nil {
			return errors.Join(err, out.Close())
		}
		server := api.New(api.Flow{Health: s.engine, Tracer: s.engine, Changes: s.engine, Taps: s.engine, Letters: s, Search: s.engine, Waiter: s.engine, Models: s.engine, Intake: s.engine, Planner: s, Keeper: s, Plan: s.plan},
			api.Options{Flow: s.plan.Flow, Token: out.control.Token, TokenAt: v.tokenAt(s.state), Remote: out.remote, Metrics: registry, Explain: explain(s), Logger: s.log})
		g.Go(func() error {
			return errors.Join(server.Serve(besides, out), out.control.remove(s.state))
		})
		if !v.announced {
			if err := c.announce(s.plan.Flow, address, page); err != nil {
				return err
			}
		}
		v.addr, v.announced = address, true // a later session answers at the same place
	}
	if v.beside != nil {
		g.Go(func() error { return v.beside(besides, s, page) })
	} else if !c.json {
		g.Go(func() error { return c.progress(besides, s.engine) })
	}
	g.Go(func() error {
		defer endBesides()
		return s.engine.Run(running)
	})
	return g.Wait()
}

// announce tells where the flow answers.
func (c *cli) announce(flow, address, page string) error {
	if c.json {
		return c.line(listening{Event: "listening", Flow: flow, Addr: address})
	}
	c.note("%s runs; its console: %s", flow, page)
	return nil
}

// pageAt is where a browser finds the console.
func pageAt(address string, tls bool) string {
	if tls {
		return "https://" + address + "/"
	}
	return "http://" + address + "/"
}

// explain makes faults of errors for the HTTP API.
func explain(s *session) func(error) api.Fault {
	return func(err error) api.Fault { return faultOf(s.safe(err)).Fault }
}

// stopped is nil where an error only says that the flow was told to stop.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// ended says what a run has done. Dead letters that are left make a run with --once fail: not everything
// is applied.
func (c *cli) ended(v *service, sum engine.Summary) (result, error) {
	if v.once && sum.DeadLetters > 0 {
		f := newFault("dead_letters", "`freshet dlq ls <flow>` shows them with their cause; `freshet dlq retry <flow> --all` tries them again",
			"%s could not be processed; dead letters are kept", console.Counted(sum.DeadLetters, "row", "rows"))
		f.Data = sum
		return result{}, f
	}
	return result{data: sum, text: func(w io.Writer) {
		fmt.Fprintf(w, "%s applied, %s, %s\n", console.Counted(sum.RowsApplied, "row", "rows"), console.Counted(sum.Calls, "call", "calls"),
			console.Counted(sum.DeadLetters, "dead letter", "dead letters"))
	}}, nil
}
