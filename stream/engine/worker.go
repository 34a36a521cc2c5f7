package engine

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// worker evaluates owners. Evaluation is a function of the stored record, what has come up, and the
// memo; it changes nothing but the worker's own output, which the loop commits. Several workers share
// an epoch, each with owners of its own.
type worker struct {
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
	// inline answers a call within the epoch, once for all workers; paid says that this was the one.
	inline(n *callNode, call stream.Fingerprint, input []byte) (result []byte, paid bool, err error)
	// keep makes answers of inline models durable.
	keep([]memoWrite) error
}

func newWorker(g *graph, memo memoReader) *worker {
	return &worker{g: g, memo: memo, fanout: budgetOf(g.plan.Limits.MemoryBytes).fanout, seen: make([][]sinkRow, len(g.targets)), visited: make([]uint64, len(g.targets)),
		reached: make([]bool, len(g.calls)), applied: make([]bool, len(g.plan.Steps)),
		out: output{effects: make([][]byte, len(g.targets)), cuts: make([][]int, len(g.targets)), count: make([]int, len(g.targets)),
			stats: make([]stepStats, len(g.calls)), rows: make([]int64, len(g.plan.Steps)),
			upserts: make([]int64, len(g.targets)), deletes: make([]int64, len(g.targets)),
			added: make([]int64, len(g.targets)), owners: make([]int64, len(g.roots))}}
}

// evaluate brings one owner up to date.
func (w *worker) evaluate(t *task) error {
	w.t, w.err, w.paid = t, nil, 0
	if t.stored == nil {
		w.old.reset()
	} else if err := w.old.decode(t.stored); err != nil {
		return fmt.Errorf("owner %s of %s: %w", t.key.Text(), t.root.name, err)
	}
	w.next.reset()
	rowChanged, err := w.settleRow()
	if errors.Is(err, errLacksColumn) && !t.changed || errors.Is(err, errNotSent) && w.rescanned() {
		return w.settleUnseen() // the rescan that is under way brings the row
	}
	if err != nil {
		return err
	}
	if !rowChanged && !t.force && w.old.plan == w.g.stored.Number {
		w.touch()
		return nil
	}
	w.next.plan = w.g.stored.Number
	w.clear()
	if t.root.vanished {
		w.reachAll()
	} else {
		f := w.frame(0)
		if w.next.exists {
			f.refs = append(f.refs, rowRef{row: w.next.row})
		}
		w.walk(t.root.collection, f.refs, 1)
	}
	if w.err != nil {
		return w.err
	}
	w.finish(rowChanged)
	return w.err
}

// touch renews what the source notes and where it stands; nothing behind the row is looked at.
func (w *worker) touch() {
	n, o := &w.next, &w.old
	w.out.unchanged++
	if !w.t.changed || n.noted == o.noted && bytes.Equal(n.note, o.note) {
		return
	}
	n.plan, n.calls, n.sinks, n.rejects, n.causes = o.plan, o.calls, o.sinks, o.rejects, o.causes
	w.write()
	n.calls, n.sinks, n.rejects, n.causes = nil, nil, nil, nil
}

func (w *worker) clear() {
	for i := range w.seen {
		w.seen[i] = w.seen[i][:0]
	}
	w.projected = w.projected[:0]
	clear(w.visited)
	clear(w.reached)
	clear(w.applied)
	for len(w.oldReject) < len(w.old.rejects) {
		w.oldReject = append(w.oldReject, false)
	}
	clear(w.oldReject)
}

// reachAll makes an owner whose source has left the flow give up everything that it holds.
func (w *worker) reachAll() {
	for i := range w.visited {
		w.visited[i] = ^uint64(0)
	}
	for i := range w.reached {
		w.reached[i] = true
	}
	for i := range w.applied {
		w.applied[i] = true
	}
}

// finish diffs what the sinks shall hold against what they hold, carries over what was not reached (it
// lies behind a step that waits), and writes the record.
func (w *worker) finish(rowChanged bool) {
	for i := range w.old.calls {
		c := &w.old.calls[i]
		if n := w.g.callOf(c.instance); n != nil && !w.reached[n.index] {
			w.next.calls = append(w.next.calls, *c)
		}
	}
	effects := w.effectCounts()
	for _, target := range w.g.targets {
		w.diff(target, rowChanged)
	}
	w.settleRejects()
	w.explain(rowChanged)
	w.write()
	w.tell(effects)
}

// effectCounts gives the upserts and deletes so far, of all targets.
func (w *worker) effectCounts() []int64 {
	w.counts = append(append(w.counts[:0], w.out.upserts...), w.out.deletes...)
	return w.counts
}

// tell makes an event of what the evaluation has come to, unless the owner still waits. The target with
// the most effects speaks for all.
func (w *worker) tell(before []int64) {
	if !w.listening {
		return
	}
	ev := ChangeEvent{Event: "change", Source: w.t.root.name, owner: w.t.key, root: w.t.root.index, Calls: int(w.paid), time: w.next.time}
	n := len(w.g.targets)
	for i := range n {
		upserts, deletes := int(w.out.upserts[i]-before[i]), int(w.out.deletes[i]-before[n+i])
		if upserts+deletes > ev.Upserts+ev.Deletes {
			ev.Upserts, ev.Deletes = upserts, deletes
		}
	}
	if ev.Upserts+ev.Deletes+ev.Calls == 0 {
		return
	}
	ev.Key, ev.Why = w.t.key.Text(), w.g.why(&w.next, w.epoch)
	w.out.changes = append(w.out.changes, ev)
}

func (w *worker) write() {
	t := w.t
	put := write{root: t.root, key: t.key, hash: hashRow(t.key, w.next.row, w.next.note), same: w.next.exists && len(w.next.rejects) == 0}
	if w.next.exists != w.old.exists {
		if w.next.exists {
			w.out.owners[t.root.index]++
		} else {
			w.out.owners[t.root.index]--
		}
	}
	if !w.next.empty() {
		put.value = w.out.arena.encode(&w.next)
	} else if t.stored == nil {
		return
	}
	w.out.puts = append(w.out.puts, put)
}
