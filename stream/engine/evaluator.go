package engine

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// evaluator evaluates owners. Evaluation is a function of the stored record, what has come up, and the
// memo; it changes nothing but the evaluator's own output, which the loop commits. Several evaluators share
// an epoch, each with owners of its own.
type evaluator struct {
	g     *graph
	memo  memoReader
	epoch uint64
	now   int64 // microseconds since 1970

	fanout int64 // what a step may make of one owner, in bytes

	old, next record
	frames    []*frame
	input     []byte
	projected []byte // rows of targets, of this owner
	builder   cdc.RowBuilder
	seen      [][]sinkRow // what the targets shall hold of this owner
	visited   []uint64    // inputs that were reached, by target
	reached   []bool      // expensive steps that were reached
	applied   []bool      // steps that were reached, by step
	oldReject []bool      // rejects of old that still hold
	t         *task
	err       error
	paid      int64   // calls that an inline model answered for this owner
	counts    []int64 // of effects before the diff
	taps      []bool  // collections that somebody looks at; nil: none
	listening bool    // somebody wants to hear of changes

	out output
}

// memoReader tells what has been answered before.
type memoReader interface {
	has(call stream.Fingerprint) (bool, error)
	get(dst []byte, call stream.Fingerprint) ([]byte, bool, error)
	// inline answers a call within the epoch, once for all evaluators; paid says that this was the one.
	inline(n *callNode, call stream.Fingerprint, input []byte) (result []byte, paid bool, err error)
	// keep makes answers of inline models durable.
	keep([]memoWrite) error
}

func newEvaluator(g *graph, memo memoReader) *evaluator {
	return &evaluator{g: g, memo: memo, fanout: budgetOf(g.plan.Limits.MemoryBytes).fanout, seen: make([][]sinkRow, len(g.targets)), visited: make([]uint64, len(g.targets)),
		reached: make([]bool, len(g.calls)), applied: make([]bool, len(g.plan.Steps)),
		out: output{effects: make([][]byte, len(g.targets)), cuts: make([][]int, len(g.targets)), count: make([]int, len(g.targets)),
			stats: make([]stepStats, len(g.calls)), rows: make([]int64, len(g.plan.Steps)),
			upserts: make([]int64, len(g.targets)), deletes: make([]int64, len(g.targets)),
			added: make([]int64, len(g.targets)), owners: make([]int64, len(g.roots))}}
}

// evaluate brings one owner up to date.
func (v *evaluator) evaluate(t *task) error {
	v.t, v.err, v.paid = t, nil, 0
	if t.stored == nil {
		v.old.reset()
	} else if err := v.old.decode(t.stored); err != nil {
		return fmt.Errorf("owner %s of %s: %w", t.key.Text(), t.root.name, err)
	}
	v.next.reset()
	rowChanged, err := v.settleRow()
	if errors.Is(err, errLacksColumn) && !t.changed || errors.Is(err, errNotSent) && v.rescanned() {
		return v.settleUnseen() // the rescan that is under way brings the row
	}
	if err != nil {
		return err
	}
	if !rowChanged && !t.force && v.old.plan == v.g.stored.Number {
		v.touch()
		return nil
	}
	v.next.plan = v.g.stored.Number
	v.clear()
	if t.root.vanished {
		v.reachAll()
	} else {
		f := v.frame(0)
		if v.next.exists {
			f.refs = append(f.refs, rowRef{row: v.next.row})
		}
		v.walk(t.root.collection, f.refs, 1)
	}
	if v.err != nil {
		return v.err
	}
	v.finish(rowChanged)
	return v.err
}

// touch renews what the source notes and where it stands; nothing behind the row is looked at.
func (v *evaluator) touch() {
	n, o := &v.next, &v.old
	v.out.unchanged++
	if !v.t.changed || n.noted == o.noted && bytes.Equal(n.note, o.note) {
		return
	}
	n.plan, n.calls, n.sinks, n.rejects, n.causes = o.plan, o.calls, o.sinks, o.rejects, o.causes
	v.write()
	n.calls, n.sinks, n.rejects, n.causes = nil, nil, nil, nil
}

func (v *evaluator) clear() {
	for i := range v.seen {
		v.seen[i] = v.seen[i][:0]
	}
	v.projected = v.projected[:0]
	clear(v.visited)
	clear(v.reached)
	clear(v.applied)
	for len(v.oldReject) < len(v.old.rejects) {
		v.oldReject = append(v.oldReject, false)
	}
	clear(v.oldReject)
}

// reachAll makes an owner whose source has left the flow give up everything that it holds.
func (v *evaluator) reachAll() {
	for i := range v.visited {
		v.visited[i] = ^uint64(0)
	}
	for i := range v.reached {
		v.reached[i] = true
	}
	for i := range v.applied {
		v.applied[i] = true
	}
}

// finish diffs what the sinks shall hold against what they hold, carries over what was not reached (it
// lies behind a step that waits), and writes the record.
func (v *evaluator) finish(rowChanged bool) {
	for i := range v.old.calls {
		c := &v.old.calls[i]
		if n := v.g.callOf(c.instance); n != nil && !v.reached[n.index] {
			v.next.calls = append(v.next.calls, *c)
		}
	}
	effects := v.effectCounts()
	for _, target := range v.g.targets {
		v.diff(target, rowChanged)
	}
	v.settleRejects()
	v.explain(rowChanged)
	v.write()
	v.tell(effects)
}

// effectCounts gives the upserts and deletes so far, of all targets.
func (v *evaluator) effectCounts() []int64 {
	v.counts = append(append(v.counts[:0], v.out.upserts...), v.out.deletes...)
	return v.counts
}

// tell makes an event of what the evaluation has come to, unless the owner still waits. The target with
// the most effects speaks for all.
func (v *evaluator) tell(before []int64) {
	if !v.listening {
		return
	}
	ev := ChangeEvent{Event: "change", Source: v.t.root.name, owner: v.t.key, root: v.t.root.index, Calls: int(v.paid), time: v.next.time}
	n := len(v.g.targets)
	for i := range n {
		upserts, deletes := int(v.out.upserts[i]-before[i]), int(v.out.deletes[i]-before[n+i])
		if upserts+deletes > ev.Upserts+ev.Deletes {
			ev.Upserts, ev.Deletes = upserts, deletes
		}
	}
	if ev.Upserts+ev.Deletes+ev.Calls == 0 {
		return
	}
	ev.Key, ev.Why = v.t.key.Text(), v.g.why(&v.next, v.epoch)
	v.out.changes = append(v.out.changes, ev)
}

func (v *evaluator) write() {
	t := v.t
	put := write{root: t.root, key: t.key, hash: hashRow(t.key, v.next.row, v.next.note), same: v.next.exists && len(v.next.rejects) == 0}
	if v.next.exists != v.old.exists {
		if v.next.exists {
			v.out.owners[t.root.index]++
		} else {
			v.out.owners[t.root.index]--
		}
	}
	if !v.next.empty() {
		put.value = v.out.arena.encode(&v.next)
	} else if t.stored == nil {
		return
	}
	v.out.puts = append(v.out.puts, put)
}
