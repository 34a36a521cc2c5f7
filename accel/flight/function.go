package flight

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/backpressure"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/arrowrow"
)

// Function is a function of rows that a worker serves. A call's text is the shape of its row, as Shape names
// it, and the row; an answer's text is the row of the output.
type Function struct {
	client *Client
	name   string
	output *output

	mu     sync.Mutex
	info   Info
	shapes map[[16]byte]*cdc.Schema
}

// NewFunction names a function of a worker, and what its answers hold. It asks nothing: Learn does.
func NewFunction(c *Client, name string, out *cdc.Schema) (*Function, error) {
	o, err := newOutput(out)
	if err != nil {
		return nil, fmt.Errorf("write the schema of the output: %w", err)
	}
	return &Function{client: c, name: name, output: o, shapes: map[[16]byte]*cdc.Schema{}}, nil
}

// Learn asks the worker which revision of the function it serves, and what it takes. The error is a
// *MissingError where it serves none of that name.
func (f *Function) Learn(ctx context.Context) (Info, error) {
	d, err := f.client.Describe(ctx)
	if err != nil {
		return Info{}, err
	}
	info, err := d.find(kindCall, f.name)
	if err != nil {
		return Info{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.info = info
	return info, nil
}

// Shape makes the types of rows known, and names them. It fails where Arrow has no counterpart of one.
func (f *Function) Shape(in *cdc.Schema) ([16]byte, error) {
	if _, err := arrowrow.SchemaToArrow(in, arrowrow.Options{}); err != nil {
		return [16]byte{}, err
	}
	sum := sha256.Sum256([]byte(in.String()))
	shape := [16]byte(sum[:16])
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shapes[shape] = in
	return shape, nil
}

// Identity implements accel.Answerer. The place of the worker is no part of it.
func (f *Function) Identity() accel.Identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	return accel.Identity{Provider: "worker", Model: f.name, Revision: f.info.Revision}
}

// Cost implements accel.Answerer: what bounds a request is its bytes.
func (f *Function) Cost(asked accel.Asked) backpressure.Cost {
	return backpressure.Cost{Rows: 1, Input: int64(accel.EstimateTokens(asked.Text))}
}

// Close ends the worker that was started, or the connections.
func (f *Function) Close() error { return f.client.Close() }

// Answer implements accel.Answerer.
func (f *Function) Answer(ctx context.Context, asked []accel.Asked) (accel.Answers, error) {
	a := newAnswering(f.Identity().Revision, len(asked))
	a.read = f.read
	record, err := f.record(asked)
	if err != nil {
		return accel.Answers{}, malformed("write rows: %v", err)
	}
	defer record.Release()
	err = f.client.carrier.exchange(ctx, &request{kind: kindCall, function: f.name, output: f.output.text, record: record}, a.take)
	return a.answers(err)
}

// record writes the rows of calls, all of one shape: those of one step.
func (f *Function) record(asked []accel.Asked) (arrow.Record, error) {
	shape, _, err := cut(asked[0].Text)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	schema := f.shapes[shape]
	f.mu.Unlock()
	if schema == nil {
		return nil, fmt.Errorf("the shape %x is not known", shape)
	}
	w, err := arrowrow.NewWriter(schema, nil, arrowrow.Options{})
	if err != nil {
		return nil, err
	}
	defer w.Release()
	for _, x := range asked {
		other, row, err := cut(x.Text)
		if err != nil {
			return nil, err
		}
		if other != shape {
			return nil, fmt.Errorf("rows of two shapes, %x and %x", shape, other)
		}
		if err := w.Append(row); err != nil {
			return nil, err
		}
	}
	return numbered(w.Record()), nil
}

// cut splits a call into its shape and its row.
func cut(text string) (shape [16]byte, row cdc.Row, err error) {
	if len(text) < len(shape) {
		return shape, nil, fmt.Errorf("%d bytes are no call", len(text))
	}
	copy(shape[:], text)
	row = cdc.Row(text[len(shape):])
	return shape, row, cdc.CheckRow(row)
}

// read reads the rows that were answered.
func (f *Function) read(a *answering, record arrow.Record, h *head) error {
	r, err := f.output.load(record)
	if err != nil {
		return err
	}
	defer r.Release()
	var b cdc.RowBuilder
	for i, place := range h.row.Int64Values() {
		if verdict(h.status.Value(i)) != rowGood {
			continue
		}
		answer := &a.each[place]
		if err := r.Read(&b, i); err != nil {
			answer.Err = &accel.Error{Kind: accel.Raised, Message: err.Error()}
			continue
		}
		row := b.Append(nil)
		if fault := f.output.fault(row); fault != nil {
			if fault.Kind == accel.Malformed {
				return fault
			}
			answer.Err = fault
			continue
		}
		answer.Text = row
	}
	return nil
}

// fault is what is wrong with the values of an answer, where their types are right.
func (o *output) fault(row cdc.Row) *accel.Error {
	for i, c := range o.schema.Columns {
		v := row.At(i)
		switch {
		case v.State != cdc.Set && !c.Type.Nullable:
			return &accel.Error{Kind: accel.Raised, Message: c.Name + ": null, and " + c.Type.String() + " does not allow it"}
		case v.State != cdc.Set:
		case len(c.Type.Enum) > 0 && !slices.Contains(c.Type.Enum, v.Text()):
			return &accel.Error{Kind: accel.Raised, Message: fmt.Sprintf("%s: %.80q is none of %s", c.Name, v.Text(), c.Type)}
		case c.Type.Kind == cdc.Vector && !finite(v.AppendVector(nil)):
			return malformed("%s: a number of the vector is not finite", c.Name)
		}
	}
	return nil
}

// finite reports whether no number is NaN or infinite.
func finite(vector []float32) bool {
	for _, x := range vector {
		if x-x != 0 {
			return false
		}
	}
	return true
}
