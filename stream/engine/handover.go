package engine

import (
	"bytes"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// takeUp brings the loop's memory to the state as the epoch leaves it, and keeps for its landing what is to leave the process.
func (e *Engine) takeUp(g *gathered, sync *statestore.EpochSync, began time.Time) *inFlight {
	f := &inFlight{sync: sync, g: g, began: began, endsSpill: e.spill != nil && e.spill.done}
	for _, v := range e.evaluators {
		for i := range v.out.puts {
			if p := &v.out.puts[i]; p.same {
				e.table.put(p.root, p.key, p.hash)
			} else {
				e.table.forget(p.root, p.key)
			}
		}
		e.again = append(e.again, v.out.again...)
	}
	e.takeUpCalls(f)
	for _, v := range e.evaluators {
		f.changes = append(f.changes, v.out.changes...)
		f.tapped = append(f.tapped, v.out.tapped...)
	}
	for _, t := range e.graph.targets {
		f.parcels = append(f.parcels, e.parcelOf(t))
	}
	for source, position := range g.cursors {
		e.cursors[source] = position
	}
	e.memo.endEpoch()
	g.tasks, g.index = nil, nil // I9: the next epoch's come beside what is in flight
	f.view = e.viewOf()
	return f
}

func (e *Engine) takeUpCalls(f *inFlight) {
	f.submit, f.drop = map[*modelRun][]stream.Call{}, map[*modelRun][]stream.Fingerprint{}
	for _, v := range e.evaluators {
		for i := range v.out.held {
			breathe(i)
			h := &v.out.held[i]
			h.key = bytes.Clone(h.key)
			v.out.paid(h, e.scheduler.callsOf(h))
			calls, dropped := e.scheduler.settle(h)
			f.submit[h.node.model] = append(f.submit[h.node.model], calls...)
			f.drop[h.node.model] = append(f.drop[h.node.model], dropped...)
		}
	}
}

// parcelOf is what the epoch has for a target.
func (e *Engine) parcelOf(t *target) parcel {
	p := parcel{epoch: e.epoch, group: e.group(t)}
	for _, v := range e.evaluators {
		parts := v.out.parts(t.index)
		p.keys += len(parts)
		p.size += int64(len(v.out.effects[t.index]))
		p.count += v.out.count[t.index]
		p.data = append(p.data, parts...)
	}
	return p
}

// handOver passes on what is durable now: effects to the deliveries, calls to the models, positions to
// the sources (I1).
func (e *Engine) handOver(f *inFlight) error {
	e.handOverCalls(f)
	for i, t := range e.graph.targets {
		if f.parcels[i].keys > 0 {
			t.delivery.post(f.parcels[i])
		}
	}
	for source, position := range f.g.cursors {
		if c := e.confirms[source]; c != nil {
			c.set(position)
		}
	}
	for _, t := range f.g.batches {
		t.in.give(t.batch)
	}
	for _, r := range f.g.requests {
		r.done(nil)
	}
	for i, refused := range f.g.refused {
		if refused {
			e.graph.targets[i].delivery.acknowledge()
		}
	}
	e.publish(f)
	if f.endsSpill {
		return e.endSpill()
	}
	return nil
}

func (e *Engine) handOverCalls(f *inFlight) {
	for m, calls := range f.drop {
		if len(calls) > 0 {
			e.scheduler.dropped(m.remote.Queue().Withdraw(calls))
		}
	}
	for m, calls := range f.submit {
		if calls = e.answered.without(e.scheduler.wanted(calls)); len(calls) > 0 {
			m.remote.Queue().Submit(calls)
		}
	}
}

// release lets the removals of owners go whose hold has outlasted max_hold.
func (e *Engine) release() {
	e.scheduler.overdue(time.Now().UnixMicro(), e.graph.calls, func(k waitKey, w *waiter) {
		e.again = append(e.again, &task{root: e.graph.roots[k.root], key: cdc.Key(k.key), force: true, live: w.live})
	})
}

// forsake drops the calls whose owners have gone on and whose requests have failed since: no answer
// will come for them.
func (e *Engine) forsake() {
	for m, calls := range e.scheduler.abandoned() {
		e.scheduler.dropped(m.remote.Queue().Withdraw(calls))
	}
}

func (e *Engine) caughtUp(source string) bool {
	for i, s := range e.plan.Sources {
		if s.Name == source {
			caught, _ := e.inlets[i].caught()
			return caught
		}
	}
	return false
}

// releaseEvents passes on the changes that every sink holds.
func (e *Engine) releaseEvents() {
	e.events.release(func(epoch uint64) bool {
		for _, t := range e.graph.targets {
			if !t.gone.Load() && !e.settled(t, epoch) {
				return false
			}
		}
		return true
	})
}
