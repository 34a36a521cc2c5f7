package stream

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/freshet/freshet/cdc"
)

// Filter declares a step that keeps the rows for which fn is true. They are passed on as they are, with
// the columns that T does not have.
func Filter[T any](in CollectionOf[T], name string, f Func, fn func(T) bool) CollectionOf[T] {
	return Apply[T](in, name, condition[T]{from: in.name, step: name, version: f.Version, fn: fn}, f.StepOptions)
}

// condition is a filter whose condition is a Go function.
type condition[T any] struct {
	from, step string
	version    int
	fn         func(T) bool
}

type boundCondition[T any] struct {
	condition[T]
	decoder *Decoder[T]
	schema  *cdc.Schema
	fields  []int // where the columns of schema stand in the input
	whole   bool  // they are all of it
	pool    *sync.Pool
}

// Bind implements [Operator].
func (c condition[T]) Bind(in *cdc.Schema, keep func(string) bool) (Bound, error) {
	if c.fn == nil {
		return nil, noFunction()
	}
	d, err := NewDecoder[T](c.from, in)
	if err != nil {
		return nil, err
	}
	b := &boundCondition[T]{condition: c, decoder: d, pool: &sync.Pool{New: func() any { return new(T) }}}
	b.schema, b.fields = in.Select(keep)
	b.whole = len(b.fields) == len(in.Columns)
	return b, nil
}

func (b *boundCondition[T]) Schema() *cdc.Schema { return b.schema }
func (b *boundCondition[T]) Reads() []string     { return b.decoder.Columns() }

func (b *boundCondition[T]) Logic() []byte {
	return functionLogic("filter", b.step, b.version, b.decoder.Logic())
}

// functionLogic stands for a Go function: its version and types. The name of the step is part of it,
// since two functions of one type and version are told apart by nothing else.
func functionLogic(kind, step string, version int, parts ...[]byte) []byte {
	b := append([]byte(kind), " go\n"...)
	b = binary.AppendVarint(b, int64(version))
	for _, p := range append([][]byte{[]byte(step)}, parts...) {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return slices.Clip(b)
}

// Map implements [Mapper].
func (b *boundCondition[T]) Map(in cdc.Row, out *Rows) error {
	row := b.pool.Get().(*T)
	defer b.pool.Put(row)
	if err := b.decoder.Decode(in, row); err != nil {
		return err
	}
	holds, err := b.holds(*row)
	if err != nil || !holds {
		return err
	}
	if b.whole {
		out.EmitRow(in)
		return nil
	}
	out.Builder.Reset()
	for _, f := range b.fields {
		out.Builder.Value(in.At(f))
	}
	out.Emit()
	return nil
}

func (b *boundCondition[T]) holds(row T) (holds bool, err error) {
	defer Guard(b.fn, &err)
	return b.fn(row), nil
}
