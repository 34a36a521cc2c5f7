package arrowrow

import (
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/freshet/freshet/cdc"
)

// Reader gives the rows of records of one schema.
type Reader struct {
	arrow   *arrow.Schema
	schema  *cdc.Schema
	record  arrow.Record
	columns []values
}

// values is a column of the present record, or what is inside one.
type values struct {
	name    string
	typ     cdc.Type
	array   arrow.Array
	inner   []values       // of a list, its element; of a struct, its fields
	builder cdc.RowBuilder // of a list or struct: the row that it becomes
	room    []byte         // what is built on the way
}

// NewReader makes a reader of records of a schema; the rows have the schema that SchemaFromArrow gives.
func NewReader(a *arrow.Schema) (*Reader, error) {
	s, err := SchemaFromArrow(a)
	if err != nil {
		return nil, err
	}
	return &Reader{arrow: a, schema: s}, nil
}

// Schema is that of the rows.
func (r *Reader) Schema() *cdc.Schema { return r.schema }

// Load checks a record and takes it in place of the one before; the reader holds it until the next Load
// or Release. A record of another schema or with damaged buffers is refused, and none is held then.
func (r *Reader) Load(rec arrow.Record) error {
	r.Release()
	if int(rec.NumCols()) != len(r.schema.Columns) {
		return fmt.Errorf("load record: %d columns, the schema has %d", rec.NumCols(), len(r.schema.Columns))
	}
	columns := make([]values, 0, len(r.schema.Columns))
	for i, c := range rec.Columns() {
		f := r.arrow.Field(i)
		if !arrow.TypeEqual(c.DataType(), f.Type) {
			return fmt.Errorf("load record: column %s is %s, the schema has %s", f.Name, c.DataType(), f.Type)
		}
		if int64(c.Len()) != rec.NumRows() {
			return fmt.Errorf("load record: column %s: %w: %d values in %d rows", f.Name, errDamaged, c.Len(), rec.NumRows())
		}
		if err := check(c.Data()); err != nil {
			return fmt.Errorf("load record: column %s: %w", f.Name, err)
		}
		columns = append(columns, newValues(f.Name, r.schema.Columns[i].Type, c))
	}
	rec.Retain()
	r.record, r.columns = rec, columns
	return nil
}

func newValues(name string, t cdc.Type, a arrow.Array) values {
	if e, ok := a.(array.ExtensionArray); ok {
		a = e.Storage()
	}
	v := values{name: name, typ: t, array: a}
	switch t.Kind {
	case cdc.List:
		v.inner = []values{newValues(name+"[]", *t.Elem, a.(array.ListLike).ListValues())}
	case cdc.Struct:
		for i, f := range t.Fields {
			v.inner = append(v.inner, newValues(name+"."+f.Name, f.Type, a.(*array.Struct).Field(i)))
		}
	}
	return v
}

// Len is the number of rows of the record.
func (r *Reader) Len() int {
	if r.record == nil {
		return 0
	}
	return int(r.record.NumRows())
}

// Read builds the row at index i into b, in place of what b holds. The error names the column; b then
// holds nothing of use, and the other rows can still be read.
func (r *Reader) Read(b *cdc.RowBuilder, i int) error {
	b.Reset()
	for c := range r.columns {
		if err := r.columns[c].read(b, i); err != nil {
			return fmt.Errorf("read row %d: %w", i, err)
		}
	}
	return nil
}

// Release lets the record go.
func (r *Reader) Release() {
	if r.record != nil {
		r.record.Release()
	}
	r.record, r.columns = nil, nil
}

func (v *values) fault(format string, args ...any) error {
	return fmt.Errorf("column %s: "+format, append([]any{v.name}, args...)...)
}

func (v *values) read(b *cdc.RowBuilder, i int) error {
	if v.array.IsNull(i) {
		if !v.typ.Nullable {
			return v.fault("null, and %s does not allow it", v.typ)
		}
		b.Null()
		return nil
	}
	switch v.typ.Kind {
	case cdc.Bool:
		b.Bool(v.array.(*array.Boolean).Value(i))
	case cdc.Int64:
		return v.readInt(b, i)
	case cdc.Float64:
		if a, ok := v.array.(*array.Float32); ok {
			b.Float64(float64(a.Value(i)))
			return nil
		}
		b.Float64(v.array.(*array.Float64).Value(i))
	case cdc.Decimal, cdc.String, cdc.JSON:
		return v.readText(b, i)
	case cdc.Bytes:
		b.Bytes(v.bytes(i))
	case cdc.UUID:
		b.Bytes(v.array.(*array.FixedSizeBinary).Value(i))
	case cdc.Timestamp:
		return v.readTimestamp(b, i)
	case cdc.Date:
		b.Days(int32(v.array.(*array.Date32).Value(i)))
	case cdc.Vector:
		return v.readVector(b, i)
	case cdc.List:
		return v.readList(b, i)
	case cdc.Struct:
		return v.readStruct(b, i)
	}
	return nil
}

func (v *values) readInt(b *cdc.RowBuilder, i int) error {
	switch a := v.array.(type) {
	case *array.Int64:
		b.Int64(a.Value(i))
	case *array.Int32:
		b.Int64(int64(a.Value(i)))
	case *array.Int16:
		b.Int64(int64(a.Value(i)))
	case *array.Int8:
		b.Int64(int64(a.Value(i)))
	case *array.Uint8:
		b.Int64(int64(a.Value(i)))
	case *array.Uint16:
		b.Int64(int64(a.Value(i)))
	case *array.Uint32:
		b.Int64(int64(a.Value(i)))
	case *array.Uint64:
		x := a.Value(i)
		if x > math.MaxInt64 {
			return v.fault("%d is too large for int", x)
		}
		b.Int64(int64(x))
	}
	return nil
}

func (v *values) bytes(i int) []byte {
	switch a := v.array.(type) {
	case *array.LargeBinary:
		return a.Value(i)
	case *array.FixedSizeBinary:
		return a.Value(i)
	}
	return v.array.(*array.Binary).Value(i)
}

func (v *values) readText(b *cdc.RowBuilder, i int) error {
	var text string // in place: the builder copies it
	switch a := v.array.(type) {
	case *array.LargeString:
		text = a.Value(i)
	case *array.String:
		text = a.Value(i)
	case *array.Decimal128:
		v.room = appendUnscaled(v.room[:0], a.Value(i).BigInt(), a.DataType().(*arrow.Decimal128Type).Scale)
		b.Bytes(v.room)
		return nil
	case *array.Decimal256:
		v.room = appendUnscaled(v.room[:0], a.Value(i).BigInt(), a.DataType().(*arrow.Decimal256Type).Scale)
		b.Bytes(v.room)
		return nil
	}
	if !utf8.ValidString(text) {
		return v.fault("the text is not valid UTF-8")
	}
	b.Text(text)
	return nil
}

func (v *values) readTimestamp(b *cdc.RowBuilder, i int) error {
	x := int64(v.array.(*array.Timestamp).Value(i))
	times := int64(1)
	switch unit := v.array.DataType().(*arrow.TimestampType).Unit; unit {
	case arrow.Second:
		times = 1_000_000
	case arrow.Millisecond:
		times = 1_000
	case arrow.Nanosecond:
		if x%1_000 != 0 {
			return v.fault("%d ns since 1970 are no whole microseconds", x)
		}
		b.Int64(x / 1_000)
		return nil
	}
	if x > math.MaxInt64/times || x < math.MinInt64/times {
		return v.fault("%d is too far from 1970", x)
	}
	b.Int64(x * times)
	return nil
}

func (v *values) readVector(b *cdc.RowBuilder, i int) error {
	a := v.array.(array.ListLike)
	from, to := a.ValueOffsets(i)
	floats := a.ListValues().(*array.Float32)
	for k := from; floats.NullN() > 0 && k < to; k++ {
		if floats.IsNull(int(k)) {
			return v.fault("number %d of the vector is null", k-from)
		}
	}
	b.Vector(floats.Float32Values()[from:to])
	return nil
}

func (v *values) readList(b *cdc.RowBuilder, i int) error {
	from, to := v.array.(array.ListLike).ValueOffsets(i)
	if to-from > maxElements {
		return v.fault("%d elements are more than %d", to-from, maxElements)
	}
	v.builder.Reset()
	for k := from; k < to; k++ {
		if err := v.inner[0].read(&v.builder, int(k)); err != nil {
			return err
		}
	}
	v.add(b)
	return nil
}

func (v *values) readStruct(b *cdc.RowBuilder, i int) error {
	v.builder.Reset()
	for k := range v.inner {
		if err := v.inner[k].read(&v.builder, i); err != nil {
			return err
		}
	}
	v.add(b)
	return nil
}

// add makes the row that the builder holds a field of b.
func (v *values) add(b *cdc.RowBuilder) {
	v.room = v.builder.Append(v.room[:0])
	b.Row(v.room)
}
