package engine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// build makes the graph and opens its targets. A target that has lost rows gets a new instance, and
// everything is written to it again (I10).
func (e *Engine) build(ctx context.Context, next *storedPlan) error {
	if err := next.reserve(e.db); err != nil {
		return err
	}
	e.graph = buildGraph(e.plan, next)
	if err := e.addRetiring(ctx); err != nil {
		return err
	}
	wiped := false
	for _, t := range e.graph.targets {
		lost, err := e.openTarget(ctx, t)
		if err != nil {
			return err
		}
		if t.delivery.writer.Progress().Foreign && !t.retiring {
			s := next.Sinks[t.name]
			s.Reconcile = true
			next.Sinks[t.name] = s
			e.planDirty = true
		}
		if lost {
			wiped = true
			e.log.Warn("sink has lost rows: all are written again", "sink", t.name)
			s := next.Sinks[t.name]
			next.drop(t.name, s.Instance)
			s.Instance, s.Reconcile = next.instance(), true
			next.Sinks[t.name] = s
			for _, from := range t.sink.From {
				name := e.plan.Collections[e.plan.Collections[from].Root].Name
				r := next.Roots[name]
				if r.Backfill == "" {
					r.Backfill = backfillScan
					if !r.Retained {
						r.Backfill = backfillRescan
					}
				}
				next.Roots[name] = r
			}
		}
	}
	if !wiped {
		return nil
	}
	if err := e.closeTargets(); err != nil {
		return err
	}
	next.Number++
	e.planDirty = true
	return e.build(ctx, next)
}

// addRetiring adds the targets that serve until their successors are complete.
func (e *Engine) addRetiring(ctx context.Context) error {
	g := e.graph
	for name, st := range g.stored.Retiring {
		if e.o.Restore == nil || st.Text == "" {
			e.log.Warn("the old index cannot serve: its description is gone", "sink", name)
			continue
		}
		plan, err := e.o.Restore(ctx, st.Text)
		if err != nil {
			e.log.Warn("the old index cannot serve: its flow does not open any more", "sink", name, "err", err)
			continue
		}
		for i, s := range plan.Sinks {
			if s.Name != name {
				continue
			}
			t := &target{index: len(g.targets), sink: s, number: i, name: name, instance: st.Instance, retiring: true, plan: plan}
			t.bind()
			g.targets = append(g.targets, t)
		}
	}
	return nil
}

func appliedKey(instance uint32) []byte { return metaKey(fmt.Sprintf("applied/%d", instance)) }

// openTarget opens one target and its delivery. lost reports that the target has lost rows.
func (e *Engine) openTarget(ctx context.Context, t *target) (lost bool, err error) {
	applied, _, err := e.metaUint(appliedKey(t.instance))
	if err != nil {
		return false, err
	}
	generation, _, err := e.metaUint(metaKey(fmt.Sprintf("generation/%d", t.instance)))
	if err != nil {
		return false, err
	}
	spec := stream.Target{Flow: e.plan.Flow, Sink: t.name, Instance: t.instance, State: e.state,
		Dir: filepath.Clean(e.db.Dir()), Generation: generation, Epoch: applied, Collections: t.sink.Inputs,
		MemoryBytes: e.budget.sinks / int64(len(e.plan.Sinks)), Beside: e.graph.stored.beside(t)}
	writer, err := t.sink.Sink.Open(ctx, spec)
	if err != nil {
		return false, fmt.Errorf("open sink %s: %w", t.name, err)
	}
	p := writer.Progress()
	d := &delivery{target: t, writer: writer, db: e.db, memo: e.memo, log: e.log, wake: e.wake, limit: e.budget.apply, crash: e.o.Crash,
		generation: p.Generation, applied: p.Epoch, more: make(chan struct{}, 1), latency: &latency{}}
	if e.o.Metrics != nil {
		d.observe = e.o.Metrics.freshness(t.name)
	}
	d.positions = e.positionsOf(t)
	t.delivery = d
	b := e.db.State.NewBatch()
	putUint(b, metaKey(fmt.Sprintf("generation/%d", t.instance)), p.Generation)
	if err := e.db.State.Commit(b, true); err != nil {
		return false, err
	}
	// A target that is ahead of the state has seen a future that this state has lost: it was restored from
	// an older copy.
	return p.Wiped || p.Epoch > e.epoch, nil
}

// positionsOf gives the ways in which the positions of a target's inputs are written.
func (e *Engine) positionsOf(t *target) []func(cdc.Position) string {
	var ways []func(cdc.Position) string
	for _, from := range t.sink.From {
		source := t.plan.Sources[t.plan.Collections[t.plan.Collections[from].Root].Source].Source
		ways = append(ways, func(p cdc.Position) string { return describe(source, p) })
	}
	return ways
}

func (e *Engine) closeTargets() error {
	var faults []error
	if e.graph == nil {
		return nil
	}
	for _, t := range e.graph.targets {
		if t.delivery != nil && !t.gone.Load() {
			faults = append(faults, t.delivery.writer.Close())
			t.delivery = nil
		}
		if t.retiring && !t.gone.Load() {
			faults = append(faults, closeModels(t.plan))
		}
	}
	return errors.Join(faults...)
}
