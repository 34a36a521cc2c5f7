package stream

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unsafe"

	"github.com/freshet/freshet/cdc"
)

// Map declares a step that makes one row of each. Its rows have the columns of U and keep the key that
// they come with: what fn leaves zero in U's key fields is filled in, and anything else there but the key
// itself is an error. An error of fn rejects the row.
func Map[T, U any](in CollectionOf[T], name string, f Func, fn func(T) (U, error)) CollectionOf[U] {
	p := producer[T, U]{kind: "map", from: in.name, step: name, version: f.Version}
	if fn != nil {
		p.fn, p.call = fn, func(row T) ([]U, error) {
			made, err := fn(row)
			return []U{made}, err
		}
	}
	return Apply[U](in, name, p, f.StepOptions)
}

// FlatMap declares a step that makes any number of rows of each: its children, which come and go with it.
//
// The key of a child is that of its owner and, behind it, the fields of U that are tagged key and are no
// column of the owner's key; two children of one owner with the same key are an error. The owner's key
// need be neither declared nor set: fields of U with the names of its columns are filled in, and may not
// say anything else.
//
// Where U has no key field of its own, the step adds a column <step>_id: a hash of the child's columns and,
// from the second of its kind on, its number among its equals. Then a child keeps its key while it stays
// the same, wherever it moves among its siblings; put nothing into U that changes when a neighbour does,
// such as its place.
func FlatMap[T, U any](in CollectionOf[T], name string, f Func, fn func(T) ([]U, error)) CollectionOf[U] {
	p := producer[T, U]{kind: "flatmap", from: in.name, step: name, version: f.Version, fans: true}
	if fn != nil {
		p.fn, p.call = fn, fn
	}
	return Apply[U](in, name, p, f.StepOptions)
}

// producer is a Go function from rows to rows.
type producer[T, U any] struct {
	kind, from, step string
	version          int
	fans             bool
	fn               any // as the user gave it, for its name
	call             func(T) ([]U, error)
}

type boundProducer[T, U any] struct {
	producer[T, U]
	decoder *Decoder[T]
	record  *record // of U
	schema  *cdc.Schema
	owner   []ownerColumn
	own     []int // fields of U that are not the owner's key, in the order of the columns
	key     int   // the first so many of own are key columns
	id      bool  // a hash of own is the key instead
	kept    []int // indices into own: what is emitted behind the key
	pool    *sync.Pool
}

// ownerColumn is a column of the owner's key.
type ownerColumn struct {
	at    int    // place in the input
	field int    // of U, or -1
	zero  []byte // the field's encoding where nothing was set
}

// workspace is what Map needs for one row.
type workspace[T any] struct {
	row     T
	builder cdc.RowBuilder
	encoded []byte
	key     []byte
	names   childNames
}

// Bind implements [Operator].
func (p producer[T, U]) Bind(in *cdc.Schema, keep func(string) bool) (Bound, error) {
	if p.call == nil {
		return nil, noFunction()
	}
	d, err := NewDecoder[T](p.from, in)
	r, outErr := compileRecord(reflect.TypeFor[U]())
	if err := errors.Join(err, outErr); err != nil {
		return nil, err
	}
	b := &boundProducer[T, U]{producer: p, decoder: d, record: r, schema: &cdc.Schema{}, pool: &sync.Pool{New: func() any { return new(workspace[T]) }}}
	faults := append(r.checkMade(), b.ownerKey(in)...)
	faults = append(faults, b.ownKey(in)...)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	for i, at := range b.own {
		f := &r.fields[at]
		if i >= b.key && !keep(f.column) {
			continue
		}
		if i < b.key {
			b.schema.Key = append(b.schema.Key, len(b.schema.Columns))
		}
		b.kept = append(b.kept, i)
		b.schema.Columns = append(b.schema.Columns, cdc.Column{Name: f.column, Type: f.codec.column()})
	}
	return b, nil
}

// checkMade finds faults of columns that are made, not read.
func (r *record) checkMade() []error {
	var faults []error
	for _, f := range r.fields {
		t := f.codec.column()
		if strings.HasPrefix(f.column, "_") {
			faults = append(faults, &Problem{Code: "bad_value", Field: f.path, Message: fmt.Sprintf("%q cannot name a column", f.column),
				Hint: "names that begin with _ are kept for what sinks add, such as _key and _version"})
		}
		if t.Kind == cdc.Vector && t.Dims == 0 {
			faults = append(faults, &Problem{Code: "wrong_type", Field: f.path, Message: fmt.Sprintf("%s is a vector, and its length is not said", f.path),
				Hint: fmt.Sprintf("give it: `freshet:\"%s,dims=384\"`", f.column)})
		}
	}
	return faults
}

// ownerKey puts the owner's key in front, and finds the fields of U that are part of it.
func (b *boundProducer[T, U]) ownerKey(in *cdc.Schema) []error {
	var faults []error
	for _, at := range in.Key {
		c := in.Columns[at]
		o := ownerColumn{at: at, field: b.record.index(c.Name)}
		if o.field >= 0 {
			f := &b.record.fields[o.field]
			if have := f.codec.column(); have.Kind != c.Type.Kind || have.Nullable != c.Type.Nullable {
				faults = append(faults, &Problem{Code: "wrong_type", Field: f.path,
					Message: fmt.Sprintf("%s is %s, and the key column %q of %q is %s", f.path, f.goType, c.Name, b.from, c.Type), Hint: "make it " + goTypeOf(c.Type)})
				continue
			}
			o.zero = b.zeroOf(o.field)
		}
		b.schema.Key = append(b.schema.Key, len(b.schema.Columns))
		b.schema.Columns = append(b.schema.Columns, c)
		b.owner = append(b.owner, o)
	}
	return faults
}

// zeroOf is the encoding of a field that was not set; nil where it has none.
func (b *boundProducer[T, U]) zeroOf(field int) []byte {
	var zero U
	var built cdc.RowBuilder
	if b.record.put(&built, unsafe.Pointer(&zero), field) != nil {
		return nil
	}
	return built.Build()
}

// ownKey finds what tells the children of one owner apart.
func (b *boundProducer[T, U]) ownKey(in *cdc.Schema) []error {
	var faults []error
	var rest []int
	for i, f := range b.record.fields {
		at := in.Index(f.column)
		switch {
		case at >= 0 && in.IsKey(at):
		case f.key && !b.fans:
			faults = append(faults, &Problem{Code: "bad_value", Field: f.path, Message: fmt.Sprintf("%s is tagged key, and a map keeps the key of its rows", f.path),
				Hint: "take the tag away, or use FlatMap, whose rows have a key of their own"})
		case f.key:
			b.own = append(b.own, i)
		default:
			rest = append(rest, i)
		}
	}
	b.key = len(b.own)
	b.own = append(b.own, rest...)
	if b.fans && b.key == 0 {
		b.id = true
		name := strings.ReplaceAll(b.step, "-", "_") + "_id"
		if b.record.index(name) >= 0 || b.schema.Index(name) >= 0 {
			faults = append(faults, &Problem{Code: "duplicate_name", Message: fmt.Sprintf("the step adds the column %q, and there is one of that name", name),
				Hint: "tag a field key that tells the rows of one owner apart, or name the column otherwise"})
		}
		b.schema.Key = append(b.schema.Key, len(b.schema.Columns))
		b.schema.Columns = append(b.schema.Columns, cdc.Column{Name: name, Type: cdc.Type{Kind: cdc.String}})
	}
	return faults
}

func (b *boundProducer[T, U]) Schema() *cdc.Schema { return b.schema }
func (b *boundProducer[T, U]) Reads() []string     { return b.decoder.Columns() }

func (b *boundProducer[T, U]) Logic() []byte {
	return functionLogic(b.kind, b.step, b.version, b.decoder.Logic(), []byte(b.record.String()))
}

// OnDemand implements [Selective]: what a type names is wanted.
func (b *boundProducer[T, U]) OnDemand() []string { return nil }

// Map implements [Mapper]. A row that is rejected leaves nothing in out.
func (b *boundProducer[T, U]) Map(in cdc.Row, out *Rows) error {
	w := b.pool.Get().(*workspace[T])
	defer b.pool.Put(w)
	if err := b.decoder.Decode(in, &w.row); err != nil {
		return err
	}
	made, err := b.invoke(w.row)
	if err != nil {
		return err
	}
	w.names.reset(len(made))
	count, size := len(out.ends), len(out.arena)
	for i := range made {
		if err := b.emit(in, &made[i], w, out); err != nil {
			out.ends, out.arena = out.ends[:count], out.arena[:size]
			return fmt.Errorf("row %d of %s: %w", i, functionName(b.fn), err)
		}
	}
	return nil
}

func (b *boundProducer[T, U]) invoke(row T) (made []U, err error) {
	defer Guard(b.fn, &err)
	if made, err = b.call(row); err != nil {
		return nil, fmt.Errorf("call %s: %w", functionName(b.fn), err)
	}
	return made, nil
}

// emit adds one row that the function made.
func (b *boundProducer[T, U]) emit(in cdc.Row, made *U, w *workspace[T], out *Rows) error {
	p := unsafe.Pointer(made)
	for _, o := range b.owner {
		if err := b.checkOwner(in, o, p, w); err != nil {
			return err
		}
	}
	w.builder.Reset()
	for _, field := range b.own {
		if err := b.record.put(&w.builder, p, field); err != nil {
			return err
		}
	}
	w.encoded = w.builder.Append(w.encoded[:0])
	row := cdc.Row(w.encoded)
	out.Builder.Reset()
	for _, o := range b.owner {
		out.Builder.Value(in.At(o.at))
	}
	if b.id {
		out.Builder.Bytes(w.names.name(row))
	} else if b.fans {
		if err := b.checkKey(row, w); err != nil {
			return err
		}
	}
	for _, k := range b.kept {
		out.Builder.Value(row.At(k))
	}
	out.Emit()
	return nil
}

// checkOwner makes sure that a row stays under its owner's key.
func (b *boundProducer[T, U]) checkOwner(in cdc.Row, o ownerColumn, p unsafe.Pointer, w *workspace[T]) error {
	if o.field < 0 {
		return nil
	}
	w.builder.Reset()
	if err := b.record.put(&w.builder, p, o.field); err != nil {
		return err
	}
	w.encoded = w.builder.Append(w.encoded[:0])
	got, want := cdc.Row(w.encoded).At(0), in.At(o.at)
	if got.State == want.State && bytes.Equal(got.Raw, want.Raw) || bytes.Equal(w.encoded, o.zero) {
		return nil
	}
	f := &b.record.fields[o.field]
	t := f.codec.column()
	return fmt.Errorf("%s is %.60s, and the key of its owner says %.60s: leave it zero, or copy it",
		f.path, cdc.AppendJSON(nil, &t, got), cdc.AppendJSON(nil, &t, want))
}

// checkKey makes sure that no two rows of an owner have one key.
func (b *boundProducer[T, U]) checkKey(row cdc.Row, w *workspace[T]) error {
	w.key = w.key[:0]
	for i := range b.key {
		f := &b.record.fields[b.own[i]]
		var err error
		if w.key, err = cdc.AppendKeyValue(w.key, f.codec.column().Kind, row.At(i)); err != nil {
			return fmt.Errorf("read key %s: %w", f.path, err)
		}
	}
	if !w.names.take(w.key) {
		return fmt.Errorf("a row before it has the same key %s", cdc.Key(w.key).Text())
	}
	return nil
}
