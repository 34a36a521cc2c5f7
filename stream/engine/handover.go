package engine

import (
	"bytes"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// handOver passes on what is durable now: effects to the deliveries, calls to the models, positions to
// the sources (I1).
func (e *Engine) handOver(g *gathered, took time.Duration) error {
	for _, w := range e.workers {
		for i := range w.out.puts {
			if p := &w.out.puts[i]; p.same {
				e.table.put(p.root, p.key, p.hash)
			} else {
				e.table.forget(p.root, p.key)
			}
		}
		e.again = append(e.again, w.out.again...)
	}
	e.handOverCalls()
	e.handOverEffects()
	for source, position := range g.cursors {
		e.cursors[source] = position
		if c := e.confirms[source]; c != nil {
			c.set(position)
		}
	}
	e.memo.endEpoch()
	for _, t := range g.batches {
		t.in.give(t.batch)
	}
	for _, r := range g.requests {
		r.done(nil)
	}
	for i, refused := range g.refused {
		if refused {
			e.graph.targets[i].delivery.acknowledge()
		}
	}
	e.publish(g, took)
	if e.stage != nil && e.stage.done {
		return e.endStage()
	}
	return nil
}

func (e *Engine) handOverCalls() {
	submit := map[*modelRun][]stream.Call{}
	drop := map[*modelRun][]stream.Fingerprint{}
	for _, w := range e.workers {
		for i := range w.out.held {
			h := &w.out.held[i]
			h.key = bytes.Clone(h.key)
			w.out.paid(h, e.scheduler.callsOf(h))
			calls, dropped := e.scheduler.settle(h)
			submit[h.node.model] = append(submit[h.node.model], calls...)
			drop[h.node.model] = append(drop[h.node.model], dropped...)
		}
	}
	for m, calls := range drop {
		if len(calls) > 0 {
			e.scheduler.dropped(m.remote.Queue().Withdraw(calls))
		}
	}
	for m, calls := range submit {
		if calls = e.answered.without(calls); len(calls) > 0 {
			m.remote.Queue().Submit(calls)
		}
	}
}

func (e *Engine) handOverEffects() {
	for _, t := range e.graph.targets {
		p := parcel{epoch: e.epoch, group: e.group(t)}
		for _, w := range e.workers {
			parts := w.out.parts(t.index)
			p.keys += len(parts)
			p.size += int64(len(w.out.effects[t.index]))
			p.count += w.out.count[t.index]
			p.data = append(p.data, parts...)
		}
		if p.keys > 0 {
			t.delivery.post(p)
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
			if !t.gone && !t.delivery.settled(epoch) {
				return false
			}
		}
		return true
	})
}
