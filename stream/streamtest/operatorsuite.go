package streamtest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// OperatorCase is an operator with what it is to be tried on.
type OperatorCase struct {
	Operator stream.Operator
	Schema   *cdc.Schema
	Rows     []cdc.Row
	// Result answers a call of a stream.Caller; nil: its model is asked, which has to be inline.
	Result func(input []byte) []byte
}

// TestOperator holds an operator against the contract of stream.Operator, stream.Mapper and stream.Caller.
// At least one of the rows must give output.
func TestOperator(t *testing.T, o OperatorCase) {
	t.Helper()
	c := &operatorCase{OperatorCase: o, t: t}
	c.full = c.bind(o.Schema, keepEvery)
	for _, at := range []struct {
		name string
		run  func(c *operatorCase)
	}{
		{"binding again gives the same", (*operatorCase).bindsAgain},
		{"a row gives the same rows again, well formed, under its own key", (*operatorCase).sameRows},
		{"a refused row leaves nothing behind", (*operatorCase).refused},
		{"only what is read and kept is carried", (*operatorCase).keeps},
		{"what it does not read changes nothing that it makes", (*operatorCase).reads},
		{"many use it at once", (*operatorCase).manyAtOnce},
	} {
		t.Run(at.name, func(t *testing.T) {
			each := *c
			each.t = t
			at.run(&each)
		})
	}
}

type operatorCase struct {
	OperatorCase
	t    *testing.T
	full stream.Bound
}

func keepEvery(string) bool { return true }

func (c *operatorCase) bind(in *cdc.Schema, keep func(string) bool) stream.Bound {
	c.t.Helper()
	b, err := c.Operator.Bind(in, keep)
	if err != nil {
		c.t.Fatalf("bind: %v", err)
	}
	_, maps := b.(stream.Mapper)
	if _, calls := b.(stream.Caller); maps == calls {
		c.t.Fatalf("what is bound maps: %v, calls: %v; it must do just one", maps, calls)
	}
	return b
}

// output applies a bound operator to a row and copies what comes out.
func (c *operatorCase) output(b stream.Bound, in cdc.Row) ([]cdc.Row, error) {
	var out stream.Rows
	if m, ok := b.(stream.Mapper); ok {
		if err := m.Map(in, &out); err != nil {
			if out.Len() > 0 {
				err = fmt.Errorf("%d rows were given before the error: %w", out.Len(), err)
			}
			return nil, err
		}
	} else if err := c.call(b.(stream.Caller), in, &out); err != nil {
		return nil, err
	}
	var rows []cdc.Row
	for i := range out.Len() {
		rows = append(rows, slices.Clone(out.At(i)))
	}
	return rows, nil
}

// call plays the part of the engine at an expensive step.
func (c *operatorCase) call(b stream.Caller, in cdc.Row, out *stream.Rows) error {
	input, ok, err := b.Input([]byte("before"), in)
	if err != nil {
		return err
	}
	input, before := bytes.CutPrefix(input, []byte("before"))
	if !before {
		return fmt.Errorf("the input does not stand behind what was there")
	}
	result := cdc.Value{State: cdc.Null}
	if ok {
		answer, err := c.answer(b, input)
		if err != nil {
			return err
		}
		result = cdc.Value{State: cdc.Set, Raw: answer}
	}
	if err := b.Output(&out.Builder, in, result); err != nil {
		return err
	}
	out.Emit()
	return nil
}

func (c *operatorCase) answer(b stream.Caller, input []byte) ([]byte, error) {
	if c.Result != nil {
		return c.Result(input), nil
	}
	m, ok := b.Calls().Model.(stream.InlineModel)
	if !ok {
		return nil, fmt.Errorf("the model is not inline and no result is given")
	}
	answers, err := m.Answer([][]byte{input})
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

func (c *operatorCase) bindsAgain() {
	again := c.bind(c.Schema, keepEvery)
	if diff := cmp.Diff(c.full.Schema().String(), again.Schema().String()); diff != "" {
		c.t.Errorf("the schemas differ (-first +second):\n%s", diff)
	}
	if !slices.Equal(c.full.Reads(), again.Reads()) || !bytes.Equal(c.full.Logic(), again.Logic()) {
		c.t.Errorf("what is read and the logic differ: %v %x, then %v %x", c.full.Reads(), c.full.Logic(), again.Reads(), again.Logic())
	}
	for _, name := range c.full.Reads() {
		if c.Schema.Index(name) < 0 {
			c.t.Errorf("it reads %q, which the input does not have", name)
		}
	}
	if len(c.full.Logic()) == 0 {
		c.t.Error("it has no logic")
	}
	if s, ok := c.full.(stream.Selective); ok {
		for _, name := range s.OnDemand() {
			if c.full.Schema().Index(name) < 0 {
				c.t.Errorf("%q is on demand and not among the columns", name)
			}
		}
	}
	if a, ok := c.full.(stream.Caller); ok && !bytes.Equal(a.Calls().Logic, again.(stream.Caller).Calls().Logic) {
		c.t.Error("the logic of its calls differs")
	}
}

func (c *operatorCase) sameRows() {
	again := c.bind(c.Schema, keepEvery)
	given := 0
	for i, in := range c.Rows {
		was := slices.Clone(in)
		first, err := c.output(c.full, in)
		if err != nil {
			continue // the next case looks at errors
		}
		if !bytes.Equal(was, in) {
			c.t.Fatalf("row %d was changed", i)
		}
		for _, b := range []stream.Bound{c.full, again} {
			second, err := c.output(b, in)
			if diff := cmp.Diff(first, second); err != nil || diff != "" {
				c.t.Errorf("row %d gives other rows the second time (%v):\n%s", i, err, diff)
			}
		}
		given += len(first)
		c.wellFormed(i, in, first)
	}
	if given == 0 {
		c.t.Error("no row gives any output: nothing is proved")
	}
}

// wellFormed holds output rows against their schema and their owner's key.
func (c *operatorCase) wellFormed(at int, in cdc.Row, rows []cdc.Row) {
	c.t.Helper()
	schema := c.full.Schema()
	owner, err := c.Schema.AppendKey(nil, in)
	if err != nil {
		c.t.Fatalf("row %d has no key: %v", at, err)
	}
	keys := map[string]bool{}
	for _, r := range rows {
		if err := cdc.CheckRow(r); err != nil || r.Len() != len(schema.Columns) {
			c.t.Fatalf("a row of row %d does not fit %s: %v", at, schema, err)
		}
		for i, column := range schema.Columns {
			if v := r.At(i); v.State != cdc.Set && !(v.State == cdc.Null && column.Type.Nullable) {
				c.t.Errorf("of row %d, %s is in state %d", at, column.Name, v.State)
			}
		}
		key, err := schema.AppendKey(nil, r)
		if err != nil || !bytes.HasPrefix(key, owner) {
			c.t.Errorf("the key %q of a row of row %d does not begin with its owner's (%v)", key, at, err)
		}
		if keys[string(key)] {
			c.t.Errorf("two rows of row %d have the key %q", at, key)
		}
		keys[string(key)] = true
	}
}

func (c *operatorCase) refused() {
	for i, in := range c.Rows {
		if _, ok := c.full.(stream.Mapper); !ok {
			break
		}
		var out stream.Rows
		out.EmitRow(in)
		if err := c.full.(stream.Mapper).Map(in, &out); err == nil {
			continue
		}
		if out.Len() != 1 || !bytes.Equal(out.At(0), in) {
			c.t.Errorf("refused row %d leaves %d rows behind", i, out.Len()-1)
		}
	}
}

func (c *operatorCase) keeps() {
	all := c.full.Schema()
	subsets := [][]string{nil, all.Names()}
	for i := range all.Columns {
		subsets = append(subsets, []string{all.Columns[i].Name}, slices.Delete(all.Names(), i, i+1))
	}
	for _, names := range subsets {
		kept := func(name string) bool { return slices.Contains(names, name) }
		b := c.bind(c.Schema, kept)
		c.keptColumns(b, kept)
		for i, in := range c.Rows {
			want, err := c.output(c.full, in)
			if err != nil {
				continue
			}
			got, err := c.output(b, in)
			if err != nil || len(got) != len(want) {
				c.t.Fatalf("keeping %v, row %d gives %d rows (%v), want %d", names, i, len(got), err, len(want))
			}
			for k := range got {
				c.samePart(b.Schema(), got[k], want[k])
			}
		}
	}
}

func (c *operatorCase) keptColumns(b stream.Bound, kept func(string) bool) {
	c.t.Helper()
	schema, all := b.Schema(), c.full.Schema()
	for i, column := range schema.Columns {
		if !kept(column.Name) && !schema.IsKey(i) {
			c.t.Errorf("the column %q is carried and neither kept nor a key", column.Name)
		}
	}
	for i, column := range all.Columns {
		if (kept(column.Name) || all.IsKey(i)) && schema.Index(column.Name) < 0 {
			c.t.Errorf("the column %q is kept or a key and not carried", column.Name)
		}
	}
}

// samePart compares a row with fewer columns to one with all.
func (c *operatorCase) samePart(schema *cdc.Schema, got, want cdc.Row) {
	c.t.Helper()
	all := c.full.Schema()
	for i, column := range schema.Columns {
		g, w := got.At(i), want.At(all.Index(column.Name))
		if g.State != w.State || !bytes.Equal(g.Raw, w.Raw) {
			c.t.Errorf("the column %q is another one when others are left out", column.Name)
		}
	}
}

func (c *operatorCase) reads() {
	var b cdc.RowBuilder
	for column, spec := range c.Schema.Columns {
		if slices.Contains(c.full.Reads(), spec.Name) || c.Schema.IsKey(column) {
			continue
		}
		made := c.bind(c.Schema, func(name string) bool { return name != spec.Name })
		for i, in := range c.Rows {
			other := c.Rows[(i+1)%len(c.Rows)]
			b.Reset()
			for f := range in.Len() {
				if f == column {
					b.Value(other.At(f))
				} else {
					b.Value(in.At(f))
				}
			}
			want, err1 := c.output(made, in)
			got, err2 := c.output(made, b.Build())
			if diff := cmp.Diff(want, got); diff != "" || (err1 == nil) != (err2 == nil) {
				c.t.Errorf("%q is not read, and what is made of row %d depends on it (%v, %v):\n%s", spec.Name, i, err1, err2, diff)
			}
		}
	}
	if reads, _ := c.Schema.Select(func(name string) bool { return slices.Contains(c.full.Reads(), name) }); reads != nil {
		c.bind(reads, keepEvery) // what it reads is all that it needs
	}
}

func (c *operatorCase) manyAtOnce() {
	want := make([][]cdc.Row, len(c.Rows))
	for i, in := range c.Rows {
		want[i], _ = c.output(c.full, in)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := range 20 * len(c.Rows) {
				i := (n + g) % len(c.Rows)
				if got, _ := c.output(c.full, c.Rows[i]); !cmp.Equal(want[i], got) {
					c.t.Errorf("row %d gives other rows when many ask at once", i)
					return
				}
			}
		})
	}
	wg.Wait()
}
