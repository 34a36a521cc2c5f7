package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"golang.org/x/sync/errgroup"
)

// Run runs the flow until ctx ends, or with Once until it has caught up. Every goroutine that it starts
// is gone when it returns. At the end no new call is made; calls in flight are awaited and kept.
func (e *Engine) Run(ctx context.Context) error {
	if e.o.Once && e.paused.Load() {
		return ErrPaused
	}
	g, run := errgroup.WithContext(ctx)
	stopping, stop := context.WithCancel(run)
	defer stop()
	e.confirms = make([]*confirmation, len(e.plan.Sources))
	for i, s := range e.plan.Sources {
		in := e.inlets[i]
		e.open = append(e.open, openTxn{})
		start := e.start(i)
		g.Go(func() error { return e.runSource(stopping, s, start, in) })
		if to, ok := s.Source.(stream.Confirmer); ok {
			e.confirms[i] = &confirmation{position: e.cursors[i], more: make(chan struct{}, 1)}
			g.Go(func() error { return e.confirms[i].run(stopping, s.Name, to) })
		}
	}
	models, endModels := context.WithCancel(context.WithoutCancel(ctx))
	defer endModels()
	for _, m := range e.models {
		g.Go(func() error { return m.remote.Run(models, e.answer) })
	}
	for _, t := range e.graph.targets {
		running, stop := context.WithCancel(stopping)
		t.delivery.stop = stop
		g.Go(func() error { return t.delivery.run(running) })
		if r, ok := t.delivery.writer.(stream.Runner); ok {
			g.Go(func() error { return e.runWriter(running, t, r) })
		}
	}
	g.Go(func() error {
		defer endModels()
		defer stop()
		err := e.loop(run)
		e.drain(models)
		return err
	})
	err := g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, e.settle())
}

func (e *Engine) runWriter(ctx context.Context, t *target, r stream.Runner) error {
	if err := r.Run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("run sink %s: %w", t.name, err)
	}
	return nil
}

// runSource runs one source and says when it has ended.
func (e *Engine) runSource(ctx context.Context, s *stream.SourceNode, start cdc.Start, in *inlet) error {
	if err := s.Source.Run(ctx, start, in); err != nil && ctx.Err() == nil {
		return &ReadError{Source: s.Name, Err: err}
	}
	if ctx.Err() == nil {
		in.end()
	}
	return nil
}

// ReadError says which source cannot go on.
type ReadError struct {
	Source string
	Err    error // the source's own word
}

func (e *ReadError) Error() string { return fmt.Sprintf("read source %s: %v", e.Source, e.Err) }

// Unwrap is what the source has said.
func (e *ReadError) Unwrap() error { return e.Err }

// start says where a source begins.
func (e *Engine) start(source int) cdc.Start {
	node := e.plan.Sources[source]
	start := cdc.Start{Resume: e.cursors[source], Once: e.o.Once, Columns: node.Columns,
		Ledger: &ledger{db: e.db, roots: e.graph.byPlace[source]}}
	start.AcceptDeletes = e.accepts[node.Name]
	for _, r := range e.graph.byPlace[source] {
		start.Rescan = start.Rescan || e.graph.stored.Roots[r.name].Backfill == backfillRescan
	}
	return start
}

// drain stops new calls and waits for those in flight; their results are kept (I7).
func (e *Engine) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.o.DrainTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for _, m := range e.models {
		wg.Go(func() {
			if err := m.remote.Queue().Drain(ctx); err != nil {
				e.log.Warn("calls in flight were given up", "model", m.name, "err", err)
			}
		})
	}
	wg.Wait()
}
