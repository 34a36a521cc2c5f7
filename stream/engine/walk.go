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

func (v *evaluator) frame(depth int) *frame {
	for len(v.frames) <= depth {
		v.frames = append(v.frames, &frame{})
	}
	f := v.frames[depth]
	f.rows.Reset()
	f.rows.Limit(0)
	f.refs = f.refs[:0]
	return f
}

// walk gives the rows of a collection to everything that reads it, also when there are none: then
// what is held of the owner behind it goes.
func (v *evaluator) walk(collection int, rows []rowRef, depth int) {
	c := v.g.plan.Collections[collection]
	if v.taps != nil && v.taps[collection] {
		v.tap(collection, rows)
	}
	for _, s := range c.Sinks {
		for _, target := range v.g.bySink[s.Sink] {
			v.sink(target, s.Input, rows)
		}
	}
	for _, s := range c.Steps {
		v.out.rows[s] += int64(len(rows))
		if n := v.g.byStep[s]; n != nil {
			v.call(n, rows, depth)
		} else {
			v.apply(s, rows, depth)
		}
		if v.err != nil {
			return
		}
	}
}

// apply runs a cheap step. A row that it refuses is a dead letter; the others go on (I6).
func (v *evaluator) apply(s int, rows []rowRef, depth int) {
	step := v.g.plan.Steps[s]
	v.applied[s] = true
	f := v.frame(depth)
	f.rows.Limit(int(v.fanout))
	for _, r := range rows {
		before := f.rows.Len()
		if code, err := v.mapRow(step, r.row, &f.rows); err != nil {
			f.rows.Cut(before)
			if v.refuse(step, v.g.mappers[s], r, code, err.Error()); v.err != nil {
				return
			}
		}
	}
	v.refs(f, v.g.plan.Collections[step.Out].Schema)
	v.walk(step.Out, f.refs, depth+1)
}

// mapRow gives a row to a cheap step. code is that of the dead letter which an error makes.
func (v *evaluator) mapRow(step *stream.StepNode, row cdc.Row, out *stream.Rows) (code string, err error) {
	if err := step.Mapper.Map(row, out); err != nil {
		return "operator_error", err
	}
	if out.Over() { // I9
		return "too_large", fmt.Errorf("step %s makes more than %s of this row: that is what limits.memory has for one row; have every sink name the `columns` that it needs, "+
			"so that none of them carries the whole document with each piece, or give the flow more memory", step.Name, stream.Bytes(v.fanout))
	}
	return "", nil
}

// refuse makes a dead letter of a row, or ends the flow where the step asks for that.
func (v *evaluator) refuse(step *stream.StepNode, instance uint32, r rowRef, code, message string) {
	if step.Options.OnError == stream.Fail {
		v.err = &StepError{Step: step.Name, Key: v.t.key.Text(), Message: message}
		return
	}
	what := stream.FingerprintOf(step.Logic[:], r.row)
	v.reject(instance, r.child, what, code, message, v.describe(step.From, r.row), 1)
	if step.Options.OnError == stream.KeepStale {
		v.keepStale(instance, r.child)
	}
}

// usualChild is room for the part of a key that a step adds, in bytes: the id of a chunk takes 19.
const usualChild = 24

// refs finds the child keys of the rows in a frame.
func (v *evaluator) refs(f *frame, schema *cdc.Schema) {
	owner := v.t.key
	for i := range f.rows.Len() {
		row := f.rows.At(i)
		key, err := schema.AppendKey(make([]byte, 0, len(owner)+usualChild), row)
		if err != nil || !bytes.HasPrefix(key, owner) {
			v.err = fmt.Errorf("evaluate %s of %s: a row has left its owner's key: %w", owner.Text(), v.t.root.name, err)
			return
		}
		f.refs = append(f.refs, rowRef{child: key[len(owner):], row: row})
	}
}
