package stream

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"github.com/freshet/freshet/cdc"
)

// pointer is the codec of a type that may be null.
type pointer struct {
	elem codec
	typ  reflect.Type // of the element
}

func (c pointer) column() cdc.Type { return c.elem.column().OrNull() }

func (c pointer) fit(t cdc.Type, at place) (load, []error) {
	at.goType = strings.TrimPrefix(at.goType, "*")
	inner, faults := c.elem.fit(t.NotNull(), at)
	return func(p unsafe.Pointer, v cdc.Value, t *texts) error {
		made := reflect.New(c.typ).UnsafePointer()
		*(*unsafe.Pointer)(p) = made
		return inner(made, v, t)
	}, faults
}

func (c pointer) put(b *cdc.RowBuilder, p unsafe.Pointer) error {
	at := *(*unsafe.Pointer)(p)
	if at == nil {
		b.Null()
		return nil
	}
	return c.elem.put(b, at)
}

// list is the codec of a slice; a nil slice is an empty list.
type list struct {
	elem codec
	typ  reflect.Type // of the slice
}

func (c list) column() cdc.Type {
	elem := c.elem.column()
	return cdc.Type{Kind: cdc.List, Elem: &elem}
}

func (c list) fit(column cdc.Type, at place) (load, []error) {
	if column.Nullable || column.Kind != cdc.List {
		return nil, []error{at.mismatch(c.column(), column)}
	}
	inner, faults := c.elem.fit(*column.Elem, place{at.from, at.field + "[]", at.column, c.typ.Elem().String()})
	size := c.typ.Elem().Size()
	return func(p unsafe.Pointer, v cdc.Value, t *texts) error {
		if err := cdc.CheckRow(v.Raw); err != nil {
			return err
		}
		row := v.Row()
		n := row.Len()
		made := reflect.MakeSlice(c.typ, n, n)
		for i := range n {
			if err := loadOne(inner, unsafe.Add(made.UnsafePointer(), uintptr(i)*size), row.At(i), column.Elem.Nullable, t); err != nil {
				return fmt.Errorf("element %d: %w", i, err)
			}
		}
		reflect.NewAt(c.typ, p).Elem().Set(made)
		return nil
	}, faults
}

func (c list) put(b *cdc.RowBuilder, p unsafe.Pointer) error {
	slice := reflect.NewAt(c.typ, p).Elem()
	size := c.typ.Elem().Size()
	var inner cdc.RowBuilder
	for i := range slice.Len() {
		if err := c.elem.put(&inner, unsafe.Add(slice.UnsafePointer(), uintptr(i)*size)); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	b.Row(inner.Build())
	return nil
}

// loadOne reads a value into zeroed memory; null leaves it so, which is a nil pointer: other types do not
// fit columns that may be null.
func loadOne(l load, p unsafe.Pointer, v cdc.Value, nullable bool, t *texts) error {
	switch {
	case v.State == cdc.Set:
		return l(p, v, t)
	case v.State == cdc.Null && nullable:
		return nil
	case v.State == cdc.Null:
		return errors.New("null where the schema allows none")
	}
	return errors.New("the value is not in the row")
}

// structure is the codec of a struct within a struct.
type structure struct{ record *record }

func (c structure) column() cdc.Type {
	t := cdc.Type{Kind: cdc.Struct}
	for _, f := range c.record.fields {
		t.Fields = append(t.Fields, cdc.Column{Name: f.column, Type: f.codec.column()})
	}
	return t
}

func (c structure) fit(t cdc.Type, at place) (load, []error) {
	if t.Nullable || t.Kind != cdc.Struct {
		return nil, []error{at.mismatch(c.column(), t)}
	}
	r, faults := c.record.fit(t.Fields, at.from, at.column+".")
	return func(p unsafe.Pointer, v cdc.Value, t *texts) error {
		if err := cdc.CheckRow(v.Raw); err != nil {
			return err
		}
		return r.load(p, v.Row(), t)
	}, faults
}

func (c structure) put(b *cdc.RowBuilder, p unsafe.Pointer) error {
	var inner cdc.RowBuilder
	for i := range c.record.fields {
		if err := c.record.put(&inner, p, i); err != nil {
			return err
		}
	}
	b.Row(inner.Build())
	return nil
}

// put writes one field of the struct at p.
func (r *record) put(b *cdc.RowBuilder, p unsafe.Pointer, field int) error {
	f := &r.fields[field]
	if err := f.codec.put(b, unsafe.Add(p, f.offset)); err != nil {
		return fieldFault("write", f.path, err)
	}
	return nil
}

// fieldError is a value that a field cannot hold, or a column.
type fieldError struct {
	verb, path string
	err        error
}

func (e *fieldError) Error() string { return e.verb + " " + e.path + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

// fieldFault names the field of an error; the innermost one names them all.
func fieldFault(verb, path string, err error) error {
	if _, named := errors.AsType[*fieldError](err); named {
		return err
	}
	return &fieldError{verb, path, err}
}

// fitted is a record that is read from rows of one schema.
type fitted struct {
	fields []fittedField
	width  int // fields that a row has at least
}

type fittedField struct {
	at       int // place in the row
	offset   uintptr
	path     string
	read     load
	nullable bool // the column
	owned    bool // its bytes are copied
}

// fit finds the fields among columns. The errors are of type *Problem and name field and column.
func (r *record) fit(columns []cdc.Column, from, prefix string) (*fitted, []error) {
	out := &fitted{}
	var faults []error
	names := (&cdc.Schema{Columns: columns}).Names()
	for _, f := range r.fields {
		at := (&cdc.Schema{Columns: columns}).Index(f.column)
		if at < 0 {
			faults = append(faults, &Problem{Code: "unknown_column", Field: f.path,
				Message: fmt.Sprintf("%s is the column %q, which %q does not have", f.path, prefix+f.column, from),
				Hint:    DidYouMean("columns", f.column, names)})
			continue
		}
		read, wrong := f.codec.fit(columns[at].Type, place{from, f.path, prefix + f.column, f.goType})
		faults = append(faults, wrong...)
		out.width = max(out.width, at+1)
		out.fields = append(out.fields, fittedField{at: at, offset: f.offset, path: f.path, read: read,
			nullable: columns[at].Type.Nullable, owned: owns(f.codec.column())})
	}
	return out, faults
}

// owns reports whether reading a type copies bytes.
func owns(t cdc.Type) bool {
	switch t.Kind {
	case cdc.String, cdc.Decimal, cdc.JSON, cdc.Bytes, cdc.List, cdc.Struct:
		return true
	}
	return false
}

// load reads a row into the zeroed struct at p.
func (f *fitted) load(p unsafe.Pointer, row cdc.Row, t *texts) error {
	if err := f.check(row); err != nil {
		return err
	}
	for i := range f.fields {
		x := &f.fields[i]
		if err := loadOne(x.read, unsafe.Add(p, x.offset), row.At(x.at), x.nullable, t); err != nil {
			return fieldFault("read", x.path, err)
		}
	}
	return nil
}

// check makes sure that the row has the fields that are read.
func (f *fitted) check(row cdc.Row) error {
	if n := row.Len(); n < f.width {
		return fmt.Errorf("%d fields of a row that has %d", n, f.width)
	}
	return nil
}

// textBytes is at least what the texts of a row take.
func (f *fitted) textBytes(row cdc.Row) int {
	n := 0
	for i := range f.fields {
		if f.fields[i].owned {
			n += len(row.At(f.fields[i].at).Raw)
		}
	}
	return n
}
