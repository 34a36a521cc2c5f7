package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/stream"
)

// swap makes a target serve that was built beside an older one, once it is complete: everything has
// been evaluated under the new logic, nothing waits for a call on the way to it, and it holds all that
// was decided. The change of roles becomes durable with the epoch.
func (e *Engine) swap(g *gathered) {
	for _, t := range e.graph.targets {
		if !t.building.Load() || t.retiring || !e.complete(t) {
			continue
		}
		t.building.Store(false)
		st := e.graph.stored
		s := st.Sinks[t.name]
		s.Building = false
		st.Sinks[t.name] = s
		if r, ok := st.Retiring[t.name]; ok {
			st.drop(t.name, r.Instance)
			delete(st.Retiring, t.name)
		}
		g.swapped, e.planDirty = true, true
		e.log.Info("the new index serves", "sink", t.name)
	}
}

// complete reports whether a target holds all that its logic makes of the sources.
func (e *Engine) complete(t *target) bool {
	for i := range e.feeders {
		if !e.feeders[i].finished {
			return false
		}
	}
	for _, in := range e.inlets {
		if caught, _ := in.caught(); !caught {
			return false
		}
	}
	if len(e.again) > 0 || !e.settled(t, e.epoch) {
		return false
	}
	for node, owners := range e.scheduler.owners {
		if owners > 0 && slices.Contains(e.graph.calls[node].targets, t) {
			return false
		}
	}
	return true
}

// cleanUp does what can wait until there is nothing else to do: targets whose successors serve are
// closed, and what replaced instances have left is removed.
func (e *Engine) cleanUp(ctx context.Context) error {
	e.retireOld(ctx)
	for _, t := range e.graph.targets {
		if t.retiring && !t.gone.Load() {
			if _, still := e.graph.stored.Retiring[t.name]; !still {
				return nil
			}
		}
	}
	if e.planDirty {
		return nil
	}
	return e.removeDropped(ctx)
}

// retireOld ends the targets whose successors serve, after the change is durable. Their files go.
func (e *Engine) retireOld(ctx context.Context) {
	for _, t := range e.graph.targets {
		if !t.retiring || t.gone.Load() {
			continue
		}
		if _, still := e.graph.stored.Retiring[t.name]; still || !t.delivery.idle() || !e.leave(t) {
			continue
		}
		e.removeTarget(ctx, t)
	}
}

// leave takes a target from those that are searched, and says that it can be removed: when the last search
// that began in it has ended.
func (e *Engine) leave(t *target) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.replaced = true
	gone := t.searches.Load() == 0
	t.gone.Store(gone)
	return gone
}

func (e *Engine) removeTarget(ctx context.Context, t *target) {
	d := t.delivery
	d.stop()
	if err := errors.Join(d.writer.Close(), closeModels(t.plan)); err != nil { // nobody searches there: see leave
		e.log.Warn("the old index does not close", "sink", t.name, "err", err)
	}
	if dropper, ok := t.sink.Sink.(stream.Dropper); ok {
		spec := stream.Target{Flow: e.plan.Flow, Sink: t.name, Instance: t.instance, State: e.state, Dir: e.db.Dir(), Collections: t.sink.Inputs}
		if err := dropper.Drop(ctx, spec); err != nil {
			e.log.Warn("the old index is not removed", "sink", t.name, "err", err)
		}
	}
}

// remoteModel checks that a model which is not inline has a queue.
func remoteModel(m stream.Model) (stream.RemoteModel, error) {
	if remote, ok := m.(stream.RemoteModel); ok {
		return remote, nil
	}
	return nil, fmt.Errorf("run model %s: it answers neither inline nor by a queue", m.Name())
}
