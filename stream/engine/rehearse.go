package engine

import (
	"bytes"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// rehearsed is up to how many owners of a collection a rehearsal evaluates. Of more it takes every nth, in the
// order of their keys, and counts each as n.
const rehearsed = 20_000

// rehearsal evaluates what the state holds under a plan that has not been run, as the engine would, and keeps
// the sums only: what an evaluation gives is a function of record and memo, so nothing has to be undone.
type rehearsal struct {
	db     *statestore.DB
	graph  *graph
	memo   rehearsalMemo
	steps  []rehearsedStep // by step of the plan
	calls  []rehearsedCalls
	sinks  []rehearsedSink // by sink of the plan
	owners int64           // that the next run evaluates
	played int64           // of them, that were evaluated here
	exact  bool            // no share was taken
	took   time.Duration
}

// part is how many owners one that was evaluated stands for.
func (r *rehearsal) part() float64 {
	if r.played == 0 {
		return 0
	}
	return float64(r.owners) / float64(r.played)
}

type rehearsedStep struct{ rows float64 }

// rehearsedCalls are those of one expensive step.
type rehearsedCalls struct{ wanted, missing, sent, received float64 }

type rehearsedSink struct{ upserts, deletes float64 }

// rehearsalMemo is the memo as far as an evaluation reads it. A call that nobody has answered is booked, and
// counts as answered where only its reference is passed on.
type rehearsalMemo struct {
	memo   *statestore.Memo
	asked  map[stream.Fingerprint]struct{} // missing ones, of all owners
	missed func(n *callNode, input []byte)
}

func (m *rehearsalMemo) has(call stream.Fingerprint) (bool, error) {
	if _, asked := m.asked[call]; asked {
		return false, nil
	}
	return m.memo.Has(statestore.Fingerprint(call))
}

func (m *rehearsalMemo) get(dst []byte, call stream.Fingerprint) ([]byte, bool, error) {
	return m.memo.AppendGet(dst, statestore.Fingerprint(call))
}

func (m *rehearsalMemo) inline(n *callNode, call stream.Fingerprint, input []byte) (result []byte, paid bool, err error) {
	m.book(n, call, input)
	return nil, false, nil
}

// keep has nothing to keep: a rehearsal is given no answers.
func (m *rehearsalMemo) keep([]memoWrite) error { return nil }

func (m *rehearsalMemo) book(n *callNode, call stream.Fingerprint, input []byte) {
	if _, asked := m.asked[call]; !asked {
		m.asked[call] = struct{}{}
		m.missed(n, input)
	}
}

// understudy stands for the model of a step whose answers nobody looks into on the way.
type understudy struct{ stream.Model }

func (understudy) Answer([][]byte) ([][]byte, error) { return nil, nil }

// rehearse evaluates the owners that the next run would: of the collections whose retained rows it takes through, each; of the
// others, those that wait for calls. How many rows a collection has is in sizes.
func rehearse(db *statestore.DB, plan *stream.Plan, next *storedPlan, sizes []cdc.Estimate) (*rehearsal, error) {
	g := buildGraph(plan, next)
	for _, n := range g.calls {
		n.inline = nil
		if n.byRef {
			n.inline = understudy{n.caller.Calls().Model}
		}
	}
	r := &rehearsal{db: db, graph: g, steps: make([]rehearsedStep, len(plan.Steps)), calls: make([]rehearsedCalls, len(g.calls)),
		sinks: make([]rehearsedSink, len(plan.Sinks)), exact: true, memo: rehearsalMemo{asked: map[stream.Fingerprint]struct{}{}}}
	if db == nil {
		return r, nil
	}
	r.memo.memo = db.Memo
	began := time.Now()
	for _, root := range g.roots {
		var err error
		switch {
		case root.vanished:
		case next.Roots[root.name].Backfill == backfillScan:
			err = r.collection(root, sizes[root.collection].Rows)
		default:
			err = r.waiting(root)
		}
		if err != nil {
			return nil, err
		}
	}
	r.took = time.Since(began)
	return r, nil
}

// awaits reports whether rows of a collection hold answers that nobody has given yet: whether such a row differs from the one that
// was there, only the answer tells. One that stands in its row by what was asked, such as a vector, is known without it.
func (r *rehearsal) awaits(plan *stream.Plan, collection int) bool {
	for at := collection; plan.Collections[at].Step >= 0; {
		step := plan.Collections[at].Step
		if n := r.graph.byStep[step]; n != nil && !n.byRef && r.calls[n.index].missing > 0 {
			return true
		}
		at = plan.Steps[step].From
	}
	return false
}

// share returns that every nth of the owners is evaluated, and books what each asks as often.
func (r *rehearsal) share(owners int64) (every int64) {
	every = max(1, (owners+rehearsed-1)/rehearsed)
	r.exact = r.exact && every == 1
	r.memo.missed = func(n *callNode, input []byte) {
		c := &r.calls[n.index]
		c.missing += float64(every)
		if f, ok := n.caller.Calls().Model.(stream.Forecasting); ok {
			sent, received := f.Tokens(input)
			c.sent += float64(sent * every)
			c.received += float64(received * every)
		}
	}
	return every
}

// collection evaluates the owners of one collection, or a share of them.
func (r *rehearsal) collection(root *root, rows int64) error {
	at, every := int64(0), r.share(rows)
	from, to := statestore.SpanOfInstance(vnode, statestore.SpaceOwners, root.instance)
	return r.db.State.Scan(from, to, func(key, value []byte) error {
		if at++; (at-1)%every != 0 {
			return nil
		}
		k, err := statestore.ParseKey(key)
		if err != nil {
			return err
		}
		return r.owner(&task{root: root, key: cdc.Key(k.Owner), stored: value}, every)
	})
}

// waiting evaluates the owners of one collection whose calls the last run has left open, or a share of them.
func (r *rehearsal) waiting(root *root) error {
	owners := int64(0)
	if err := scanWaiting(r.db, root.instance, func(cdc.Key) error { owners++; return nil }); err != nil || owners == 0 {
		return err
	}
	at, every := int64(0), r.share(owners)
	return scanWaiting(r.db, root.instance, func(key cdc.Key) error {
		if at++; (at-1)%every != 0 {
			return nil
		}
		stored, ok, err := r.db.State.Get(ownerKey(nil, root, key))
		if err != nil || !ok {
			return err
		}
		return r.owner(&task{root: root, key: key, stored: stored, force: true}, every)
	})
}

// scanWaiting calls fn for each owner of a collection that waits for calls, in the order of their keys. The key is fn's for the call.
func scanWaiting(db *statestore.DB, instance uint32, fn func(key cdc.Key) error) error {
	var last []byte
	from, to := statestore.SpanOfInstance(vnode, statestore.SpacePending, instance)
	return db.State.Scan(from, to, func(key, _ []byte) error {
		k, err := statestore.ParseKey(key)
		if err != nil || last != nil && bytes.Equal(last, k.Owner) { // it waits at two steps
			return err
		}
		last = append(last[:0], k.Owner...)
		return fn(cdc.Key(last))
	})
}

// owner evaluates one owner with an evaluator of its own output, and adds it up.
func (r *rehearsal) owner(t *task, every int64) error {
	r.owners, r.played = r.owners+every, r.played+1
	v := newEvaluator(r.graph, &r.memo)
	if err := v.evaluate(t); err != nil {
		return err
	}
	times := float64(every)
	for i, n := range v.out.rows {
		r.steps[i].rows += float64(n) * times
	}
	for i := range v.next.calls {
		c := &v.next.calls[i]
		n := v.g.callOf(c.instance)
		if n == nil || !v.reached[n.index] {
			continue
		}
		wanted := c.emitted
		if c.held {
			wanted = c.wanted
		}
		r.calls[n.index].wanted += float64(len(wanted)) * times
	}
	for i := range v.out.held {
		for _, want := range v.out.held[i].wants {
			r.memo.book(v.out.held[i].node, want.call, want.input)
		}
	}
	for i, target := range r.graph.targets {
		r.sinks[target.number].upserts += float64(v.out.upserts[i]) * times
		r.sinks[target.number].deletes += float64(v.out.deletes[i]) * times
	}
	return nil
}
