package arrowrow

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/decimal256"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/freshet/freshet/cdc"
)

// errFull says that a record can take no more rows, as Arrow counts the bytes of a column in 32 bits:
// take the record and append the row again.
var errFull = errors.New("the record is full")

// fullBytes bounds the rows of a record so that no column's offsets overflow.
const fullBytes = math.MaxInt32 - 64

// Writer collects rows and gives them as records.
type Writer struct {
	builder *array.RecordBuilder
	columns []column
	rows    int
	last    int // rows of the record before: room for as many is taken at once
	bytes   int64
}

// column is a column in the making, or what is inside one.
type column struct {
	name    string
	typ     cdc.Type
	builder array.Builder
	inner   []column   // of a list, its element; of a struct, its fields
	floats  []float32  // of a vector: the numbers on their way
	digits  *Precision // of a decimal that is not written as text
	decimal *big.Int   // what the check of such a decimal has read
}

// NewWriter makes a writer of rows of a schema. A nil allocator is Arrow's default. Release gives its
// memory back.
func NewWriter(s *cdc.Schema, mem memory.Allocator, o Options) (*Writer, error) {
	schema, err := SchemaToArrow(s, o)
	if err != nil {
		return nil, err
	}
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	w := &Writer{builder: array.NewRecordBuilder(mem, schema)}
	for i, c := range s.Columns {
		col := newColumn(c, w.builder.Field(i))
		if p, ok := o.Decimals[c.Name]; ok {
			col.digits = &p
		}
		w.columns = append(w.columns, col)
	}
	return w, nil
}

func newColumn(c cdc.Column, b array.Builder) column {
	col := column{name: c.Name, typ: c.Type, builder: b}
	switch c.Type.Kind {
	case cdc.List:
		col.inner = []column{newColumn(cdc.Column{Name: c.Name + "[]", Type: *c.Type.Elem}, b.(*array.ListBuilder).ValueBuilder())}
	case cdc.Struct:
		for i, f := range c.Type.Fields {
			col.inner = append(col.inner, newColumn(cdc.Column{Name: c.Name + "." + f.Name, Type: f.Type}, b.(*array.StructBuilder).FieldBuilder(i)))
		}
	}
	return col
}

// Len is the number of rows since the last record.
func (w *Writer) Len() int { return w.rows }

// Append copies a row into the columns. A row with a fault leaves no trace; the error names the column.
func (w *Writer) Append(row cdc.Row) error {
	if n := row.Len(); n != len(w.columns) {
		return fmt.Errorf("write row: %d fields, the schema has %d", n, len(w.columns))
	}
	if w.bytes+int64(len(row)) > fullBytes {
		return fmt.Errorf("write row: %w", errFull)
	}
	// First everything is checked: a builder cannot take back what it was given.
	for i := range w.columns {
		if err := w.columns[i].check(row.At(i)); err != nil {
			return err
		}
	}
	if w.rows == 0 {
		for i := range w.columns {
			w.columns[i].reserve(w.last)
		}
	}
	for i := range w.columns {
		w.columns[i].append(row.At(i))
	}
	w.rows++
	w.bytes += int64(len(row))
	return nil
}

// Record is the rows so far; the caller releases it. The writer goes on with none.
func (w *Writer) Record() arrow.Record {
	w.last, w.rows, w.bytes = w.rows, 0, 0
	return w.builder.NewRecord()
}

// Release gives the writer's memory back; records live on.
func (w *Writer) Release() { w.builder.Release() }

// reserve takes room for values whose size is known.
func (c *column) reserve(rows int) {
	c.builder.Reserve(rows)
	if b, ok := c.builder.(*array.FixedSizeListBuilder); ok {
		b.ValueBuilder().Reserve(rows * c.typ.Dims)
	}
}

func (c *column) fault(format string, args ...any) error {
	return fmt.Errorf("write column %s: "+format, append([]any{c.name}, args...)...)
}

// sizes are the bytes of kinds whose values all have the same.
func sizeOf(k cdc.Kind) int {
	switch k {
	case cdc.Bool:
		return 1
	case cdc.Date:
		return 4
	case cdc.Int64, cdc.Float64, cdc.Timestamp:
		return 8
	case cdc.UUID:
		return 16
	}
	return -1
}

// check finds out whether append can take the value.
func (c *column) check(v cdc.Value) error {
	switch v.State {
	case cdc.Set:
	case cdc.Null:
		if !c.typ.Nullable {
			return c.fault("null, and %s does not allow it", c.typ)
		}
		return nil
	case cdc.Unchanged:
		return c.fault("the value was not sent; resolve it before")
	default:
		return c.fault("the value is stored elsewhere; resolve it before")
	}
	if size := sizeOf(c.typ.Kind); size >= 0 && len(v.Raw) != size {
		return c.fault("%d bytes are no %s", len(v.Raw), c.typ.Kind)
	}
	switch c.typ.Kind {
	case cdc.Vector:
		if len(v.Raw)%4 != 0 || c.typ.Dims > 0 && len(v.Raw) != 4*c.typ.Dims {
			return c.fault("%d bytes are no %s", len(v.Raw), c.typ)
		}
	case cdc.String, cdc.JSON, cdc.Decimal:
		if !utf8.Valid(v.Raw) {
			return c.fault("the text is not valid UTF-8")
		}
		if c.digits != nil {
			n, err := scaled(v.TextView(), *c.digits)
			if err != nil {
				return c.fault("%w", err)
			}
			c.decimal = n
		}
	case cdc.List, cdc.Struct:
		return c.checkInner(v)
	}
	return nil
}

func (c *column) checkInner(v cdc.Value) error {
	if err := cdc.CheckRow(v.Raw); err != nil {
		return c.fault("%w", err)
	}
	row := v.Row()
	if c.typ.Kind == cdc.List {
		for i := range row.Len() {
			if err := c.inner[0].check(row.At(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if row.Len() != len(c.inner) {
		return c.fault("%d fields are no %s", row.Len(), c.typ)
	}
	for i := range c.inner {
		if err := c.inner[i].check(row.At(i)); err != nil {
			return err
		}
	}
	return nil
}

// append adds a value that check has found good.
func (c *column) append(v cdc.Value) {
	if v.State == cdc.Null {
		c.builder.AppendNull()
		return
	}
	switch b := c.builder.(type) {
	case *array.BooleanBuilder:
		b.Append(v.Bool())
	case *array.Int64Builder:
		b.Append(v.Int64())
	case *array.Float64Builder:
		b.Append(v.Float64())
	case *array.StringBuilder:
		b.Append(v.TextView()) // copied by the builder
	case *array.BinaryBuilder:
		b.Append(v.Raw)
	case *array.FixedSizeBinaryBuilder:
		b.Append(v.Raw)
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v.Int64()))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.Days()))
	case *array.Decimal128Builder:
		b.Append(decimal128.FromBigInt(c.decimal))
	case *array.Decimal256Builder:
		b.Append(decimal256.FromBigInt(c.decimal))
	case *array.FixedSizeListBuilder:
		b.Append(true)
		c.appendFloats(b.ValueBuilder(), v)
	case *array.ListBuilder:
		b.Append(true)
		if c.typ.Kind == cdc.Vector {
			c.appendFloats(b.ValueBuilder(), v)
			return
		}
		for row, i := v.Row(), 0; i < row.Len(); i++ {
			c.inner[0].append(row.At(i))
		}
	case *array.StructBuilder:
		b.Append(true)
		for row, i := v.Row(), 0; i < len(c.inner); i++ {
			c.inner[i].append(row.At(i))
		}
	}
}

func (c *column) appendFloats(b array.Builder, v cdc.Value) {
	c.floats = v.AppendVector(c.floats[:0])
	b.(*array.Float32Builder).AppendValues(c.floats, nil)
}
