package stream

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/freshet/freshet/cdc"
)

// Decoder reads rows of one schema as values of a struct type: of a collection by those who write
// operators, of hits by those who search. It is immutable and safe for concurrent use.
type Decoder[T any] struct {
	record *record
	fitted *fitted
}

// NewDecoder finds the fields of T among the columns of a schema; name is who holds the rows, for faults.
// Columns that T does not have are passed over. Every fault is a *Problem that names the field and the
// column, all of them joined.
func NewDecoder[T any](name string, schema *cdc.Schema) (*Decoder[T], error) {
	r, err := compileRecord(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	f, faults := r.fit(schema.Columns, name, "")
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Decoder[T]{record: r, fitted: f}, nil
}

// Columns are the columns that are read, in the order of T's fields.
func (d *Decoder[T]) Columns() []string { return d.record.names() }

// Logic is what the reading depends on besides the rows: columns and their types.
func (d *Decoder[T]) Logic() []byte { return []byte(d.record.String()) }

// Decode reads a row, which is one of the schema or has passed cdc.CheckRow. What into held is overwritten, and nothing that it holds afterwards points into the
// row. An error names the field; into then holds nothing of use.
func (d *Decoder[T]) Decode(row cdc.Row, into *T) error {
	if err := d.fitted.check(row); err != nil {
		return fmt.Errorf("read row: %w", err)
	}
	var zero T
	*into = zero
	t := texts{}
	if n := d.fitted.textBytes(row); n > 0 {
		t.room = make([]byte, 0, n)
	}
	return d.fitted.load(unsafe.Pointer(into), row, &t)
}
