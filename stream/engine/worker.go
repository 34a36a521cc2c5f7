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

	old, next record
	frames    []*frame
	input     []byte
	projected []byte
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

// frame holds the rows between two nodes.
type frame struct {
	rows stream.Rows
	refs []rowRef
}

// rowRef is one row on its way through the graph.
type rowRef struct {
	child []byte // its key behind the owner's
	row   cdc.Row
}

// output is what a worker's evaluations add to the epoch.
type output struct {
	puts      []write
	arena     arena
	effects   [][]byte // encoded, by target
	count     []int    // effects, by target
	held      []hold
	letters   []letter
	cleared   []letterKey
	shared    []contribution
	dirty     []dirty
	changes   []ChangeEvent
	tapped    []tapped
	memo      []memoWrite
	stats     []stepStats // by expensive step
	rows      []int64     // rows in, by step
	upserts   []int64     // by target
	deletes   []int64
	added     []int64 // change of the number of rows, by target
	again     []*task // owners that have to be evaluated once more
	unchanged int64

	lettersAdded int64
	lettersBy    map[string]int64
}

// write is one record to be written; a nil value deletes it.
type write struct {
	root  *root
	key   cdc.Key
	value []byte
	hash  rowHash
	same  bool // the row is retained or remembered: its hash may shortcut the next change
}

// hold says which calls an owner waits for at one expensive step; none: it waits no more.
type hold struct {
	root   *root
	key    cdc.Key
	node   *callNode
	wants  []want
	live   bool
	origin cdc.Position
	time   int64
	since  int64 // when the hold began, microseconds
	again  bool  // it waits for its own next evaluation
}

// want is a call that is not answered yet.
type want struct {
	call  stream.Fingerprint
	input []byte
}

type memoWrite struct {
	call  stream.Fingerprint
	value []byte
}

type stepStats struct{ calls, hits, rejected int64 }

// memoReader tells what has been answered before.
type memoReader interface {
	has(call stream.Fingerprint) (bool, error)
	get(dst []byte, call stream.Fingerprint) ([]byte, bool, error)
	// inline answers a call within the epoch, once for all workers; paid says that this was the one.
	inline(n *callNode, call stream.Fingerprint, input []byte) (result []byte, paid bool, err error)
}

func newWorker(g *graph, memo memoReader) *worker {
	return &worker{g: g, memo: memo, seen: make([][]sinkRow, len(g.targets)), visited: make([]uint64, len(g.targets)),
		reached: make([]bool, len(g.calls)), applied: make([]bool, len(g.plan.Steps)),
		out: output{effects: make([][]byte, len(g.targets)), count: make([]int, len(g.targets)),
			stats: make([]stepStats, len(g.calls)), rows: make([]int64, len(g.plan.Steps)),
			upserts: make([]int64, len(g.targets)), deletes: make([]int64, len(g.targets)),
			added: make([]int64, len(g.targets))}}
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

// errLacksColumn says that the state does not hold all of a row that the plan reads.
var errLacksColumn = errors.New("its row is not retained with every column that is read now")

// settleRow takes the new row, or the retained one in its present layout. It reports whether the row
// is another one than before.
func (w *worker) settleRow() (changed bool, err error) {
	t, n := w.t, &w.next
	n.note, n.noted = w.old.note, w.old.noted
	n.origin, n.time, n.layout = w.old.origin, w.old.time, t.root.layout
	if again, discard := w.asked(t.root.instance, nil); again && !discard {
		n.note, n.noted = nil, false // the source looks at it anew
	}
	if !t.changed {
		n.exists, n.hash = w.old.exists, w.old.hash
		n.row, n.hasRow, err = w.present(&w.old)
		return false, err
	}
	n.origin, n.time = t.origin, t.time
	if t.noted {
		n.note, n.noted = t.note, len(t.note) > 0
	}
	switch t.op {
	case cdc.Delete, cdc.Truncate:
		if !t.noted {
			n.note, n.noted = nil, false
		}
	case cdc.Reject:
		w.rejectSource(t.cause)
		return true, nil
	default:
		n.exists, n.hasRow = true, t.root.retained
		if n.row, err = w.merge(t.row); errors.Is(err, errNotSent) && !w.rescanned() {
			n.exists, n.hasRow = false, false
			w.rejectSource(&cdc.Cause{Code: "value_not_sent", Message: errNotSent.Error() + "; resetting the source has the row read again"})
			return true, nil
		} else if err != nil {
			return false, err
		}
		n.hash = hashBytes(n.row)
	}
	same := n.exists == w.old.exists && n.hash == w.old.hash && n.layout == w.old.layout && n.hasRow == w.old.hasRow
	return !same || w.hasReject(t.root.instance), nil
}

// present is the retained row of a record in the layout of the plan that runs.
func (w *worker) present(r *record) (cdc.Row, bool, error) {
	if !r.exists {
		return nil, false, nil
	}
	if !r.hasRow {
		return nil, false, fmt.Errorf("evaluate %s of %s: %w", w.t.key.Text(), w.t.root.name, errLacksColumn)
	}
	if r.layout == w.t.root.layout {
		return r.row, true, nil
	}
	fields := w.t.root.projections[r.layout]
	if fields == nil {
		return nil, false, fmt.Errorf("evaluate %s of %s: %w", w.t.key.Text(), w.t.root.name, errLacksColumn)
	}
	row := cdc.Row(w.builder.Project(nil, r.row, fields))
	w.next.hash = hashBytes(row)
	return row, true, nil
}

// merge resolves unchanged fields of a new row through the row before it (scenario 11).
func (w *worker) merge(row cdc.Row) (cdc.Row, error) {
	unchanged := false
	n := row.Len()
	for i := range n {
		unchanged = unchanged || row.At(i).State == cdc.Unchanged
	}
	if !unchanged {
		return row, nil
	}
	before, ok, err := w.present(&w.old)
	if errors.Is(err, errLacksColumn) || err == nil && !ok {
		return nil, errNotSent
	}
	if err != nil {
		return nil, err
	}
	w.builder.Reset()
	for i := range n {
		v := row.At(i)
		if v.State == cdc.Unchanged {
			v = before.At(i)
		}
		w.builder.Value(v)
	}
	return w.builder.Build(), nil
}

// errNotSent says that a value did not change and was not sent, and that no earlier row holds it.
var errNotSent = errors.New("a value that did not change was not sent, and no earlier row holds it")

// rescanned reports whether the owner's source is being read again from the start.
func (w *worker) rescanned() bool {
	return w.g.stored.Roots[w.t.root.name].Backfill == backfillRescan
}

func (w *worker) hasReject(instance uint32) bool {
	for i := range w.old.rejects {
		if w.old.rejects[i].instance == instance {
			return true
		}
	}
	return false
}

// touch renews what the source notes and where it stands; nothing behind the row is looked at.
func (w *worker) touch() {
	n, o := &w.next, &w.old
	w.out.unchanged++
	if !w.t.changed || n.noted == o.noted && bytes.Equal(n.note, o.note) {
		return
	}
	n.plan, n.calls, n.sinks, n.rejects = o.plan, o.calls, o.sinks, o.rejects
	w.write()
	n.calls, n.sinks, n.rejects = nil, nil, nil
}

func (w *worker) clear() {
	for i := range w.seen {
		w.seen[i] = w.seen[i][:0]
	}
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

func (w *worker) frame(depth int) *frame {
	for len(w.frames) <= depth {
		w.frames = append(w.frames, &frame{})
	}
	f := w.frames[depth]
	f.rows.Reset()
	f.refs = f.refs[:0]
	return f
}

// walk gives the rows of a collection to everything that reads it, also when there are none: then
// what is held of the owner behind it goes.
func (w *worker) walk(collection int, rows []rowRef, depth int) {
	c := w.g.plan.Collections[collection]
	if w.taps != nil && w.taps[collection] {
		w.tap(collection, rows)
	}
	for _, s := range c.Sinks {
		for _, target := range w.g.bySink[s.Sink] {
			w.sink(target, s.Input, rows)
		}
	}
	for _, s := range c.Steps {
		w.out.rows[s] += int64(len(rows))
		if n := w.g.byStep[s]; n != nil {
			w.call(n, rows, depth)
		} else {
			w.apply(s, rows, depth)
		}
		if w.err != nil {
			return
		}
	}
}

// apply runs a cheap step. A row that it refuses is a dead letter; the others go on (I6).
func (w *worker) apply(s int, rows []rowRef, depth int) {
	step := w.g.plan.Steps[s]
	w.applied[s] = true
	f := w.frame(depth)
	for _, r := range rows {
		if err := step.Mapper.Map(r.row, &f.rows); err != nil {
			w.refuse(step, w.g.mappers[s], r, "operator_error", err.Error())
			if w.err != nil {
				return
			}
		}
	}
	w.refs(f, w.g.plan.Collections[step.Out].Schema)
	w.walk(step.Out, f.refs, depth+1)
}

// refuse makes a dead letter of a row, or ends the flow where the step asks for that.
func (w *worker) refuse(step *stream.StepNode, instance uint32, r rowRef, code, message string) {
	if step.Options.OnError == stream.Fail {
		w.err = &StepError{Step: step.Name, Key: w.t.key.Text(), Message: message}
		return
	}
	what := stream.FingerprintOf(step.Logic[:], r.row)
	w.reject(instance, r.child, what, code, message, w.describe(step.From, r.row), 1)
	if step.Options.OnError == stream.KeepStale {
		w.keepStale(instance, r.child)
	}
}

// refs finds the child keys of the rows in a frame.
func (w *worker) refs(f *frame, schema *cdc.Schema) {
	owner := w.t.key
	for i := range f.rows.Len() {
		row := f.rows.At(i)
		key, err := schema.AppendKey(nil, row)
		if err != nil || !bytes.HasPrefix(key, owner) {
			w.err = fmt.Errorf("evaluate %s of %s: a row has left its owner's key: %w", owner.Text(), w.t.root.name, err)
			return
		}
		f.refs = append(f.refs, rowRef{child: key[len(owner):], row: row})
	}
}

// finish diffs what the sinks shall hold against what they hold, carries over what was not reached (it
// lies behind a step that waits), and writes the record.
func (w *worker) finish(rowChanged bool) {
	for i := range w.old.calls {
		c := &w.old.calls[i]
		if n := w.nodeOf(c.instance); n != nil && !w.reached[n.index] {
			w.next.calls = append(w.next.calls, *c)
		}
	}
	effects := w.effectCounts()
	for _, target := range w.g.targets {
		w.diff(target, rowChanged)
	}
	w.settleRejects()
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
	ev.Key = w.t.key.Text()
	w.out.changes = append(w.out.changes, ev)
}

func (w *worker) nodeOf(instance uint32) *callNode {
	for _, n := range w.g.calls {
		if n.instance == instance {
			return n
		}
	}
	return nil
}

func (w *worker) write() {
	t := w.t
	put := write{root: t.root, key: t.key, hash: hashRow(t.key, w.next.row, w.next.note), same: w.next.exists && len(w.next.rejects) == 0}
	if !w.next.empty() {
		put.value = w.out.arena.encode(&w.next)
	} else if t.stored == nil {
		return
	}
	w.out.puts = append(w.out.puts, put)
}

// arena hands out slices of larger blocks that live as long as the epoch.
type arena struct{ block []byte }

func (a *arena) encode(r *record) []byte {
	start := len(a.block)
	if cap(a.block)-start < 512 {
		a.block, start = make([]byte, 0, max(64<<10, len(r.row)+4096)), 0
	}
	out := r.append(a.block[start:start:cap(a.block)])
	if cap(out) == cap(a.block)-start {
		a.block = a.block[:start+len(out)]
	}
	return out[:len(out):len(out)]
}

func (a *arena) copy(b []byte) []byte {
	if cap(a.block)-len(a.block) < len(b) {
		a.block = make([]byte, 0, max(64<<10, len(b)))
	}
	start := len(a.block)
	a.block = append(a.block, b...)
	return a.block[start:len(a.block):len(a.block)]
}
