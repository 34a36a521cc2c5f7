package engine

import (
	"bytes"
	"fmt"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

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

func (w *worker) frame(depth int) *frame {
	for len(w.frames) <= depth {
		w.frames = append(w.frames, &frame{})
	}
	f := w.frames[depth]
	f.rows.Reset()
	f.rows.Limit(0)
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
	f.rows.Limit(int(w.fanout))
	for _, r := range rows {
		before := f.rows.Len()
		if code, err := w.mapRow(step, r.row, &f.rows); err != nil {
			f.rows.Cut(before)
			if w.refuse(step, w.g.mappers[s], r, code, err.Error()); w.err != nil {
				return
			}
		}
	}
	w.refs(f, w.g.plan.Collections[step.Out].Schema)
	w.walk(step.Out, f.refs, depth+1)
}

// mapRow gives a row to a cheap step. code is that of the dead letter which an error makes.
func (w *worker) mapRow(step *stream.StepNode, row cdc.Row, out *stream.Rows) (code string, err error) {
	if err := step.Mapper.Map(row, out); err != nil {
		return "operator_error", err
	}
	if out.Over() { // I9
		return "too_large", fmt.Errorf("step %s makes more than %s of this row: that is what limits.memory has for one row; have every sink name the `columns` that it needs, "+
			"so that none of them carries the whole document with each piece, or give the flow more memory", step.Name, stream.Bytes(w.fanout))
	}
	return "", nil
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
