package flight

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/arrowrow"
)

// The columns that every batch has beside those of its rows, whose names begin with no underscore.
const (
	columnRow    = "_row"
	columnStatus = "_status"
	columnError  = "_error"
)

// verdict is what became of a row.
type verdict uint8

const (
	rowGood verdict = iota
	rowInvalid
	rowTooLong
	rowMemory
	rowAgain
)

// places is the column that names the rows of a request.
func places(n int) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(n)
	for i := range n {
		b.UnsafeAppend(int64(i))
	}
	return b.NewArray()
}

// numbered puts the places of the rows before the columns of a record, which it takes over.
func numbered(record arrow.Record) arrow.Record {
	defer record.Release()
	row := places(int(record.NumRows()))
	defer row.Release()
	fields := append([]arrow.Field{{Name: columnRow, Type: arrow.PrimitiveTypes.Int64}}, record.Schema().Fields()...)
	return array.NewRecord(arrow.NewSchema(fields, nil), append([]arrow.Array{row}, record.Columns()...), record.NumRows())
}

// schemaText is a schema as an IPC message in hexadecimal.
func schemaText(s *arrow.Schema) (string, error) {
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(s))
	if err := w.Close(); err != nil { // an empty stream: the schema, and its end
		return "", fmt.Errorf("write schema: %w", err)
	}
	return hex.EncodeToString(b.Bytes()), nil
}

// head are the columns of a reply that say which rows it answers, and how.
type head struct {
	row    *array.Int64
	status *array.Uint8
	errors *array.String // nil: none
}

// readHead finds these columns.
func readHead(record arrow.Record) (head, error) {
	var h head
	var ok bool
	if h.row, ok = columnOf(record, columnRow).(*array.Int64); !ok {
		return h, malformed("the reply has no column %s of int64", columnRow)
	}
	if h.status, ok = columnOf(record, columnStatus).(*array.Uint8); !ok {
		return h, malformed("the reply has no column %s of uint8", columnStatus)
	}
	if h.row.NullN() > 0 || h.status.NullN() > 0 {
		return h, malformed("the reply has rows that name no place or no status")
	}
	h.errors, _ = columnOf(record, columnError).(*array.String)
	return h, nil
}

// text is what a worker says of a row that it has not answered.
func (h *head) text(i int) string {
	if h.errors == nil || h.errors.IsNull(i) {
		return ""
	}
	return h.errors.Value(i)
}

func columnOf(record arrow.Record, name string) arrow.Array {
	at := record.Schema().FieldIndices(name)
	if len(at) == 0 {
		return nil
	}
	return record.Column(at[0])
}

// output reads the columns that a function answers.
type output struct {
	schema *cdc.Schema
	arrow  *arrow.Schema
	text   string
}

func newOutput(s *cdc.Schema) (*output, error) {
	a, err := arrowrow.SchemaToArrow(s, arrowrow.Options{})
	if err != nil {
		return nil, err
	}
	text, err := schemaText(a)
	if err != nil {
		return nil, err
	}
	return &output{schema: s, arrow: a, text: text}, nil
}

// load checks the columns of a reply and makes a reader of them. A worker may give other widths of the same
// types.
func (o *output) load(record arrow.Record) (*arrowrow.Reader, error) {
	fields := make([]arrow.Field, len(o.schema.Columns))
	columns := make([]arrow.Array, len(fields))
	for i, c := range o.schema.Columns {
		if columns[i] = columnOf(record, c.Name); columns[i] == nil {
			return nil, malformed("the reply has no column %s", c.Name)
		}
		fields[i] = o.arrow.Field(i)
		fields[i].Type = columns[i].DataType()
		fields[i].Nullable = true // rows that are not answered have no value
	}
	schema := arrow.NewSchema(fields, nil)
	r, err := arrowrow.NewReader(schema)
	if err != nil {
		return nil, malformed("%v", err)
	}
	for i, c := range r.Schema().Columns {
		if want := o.schema.Columns[i].Type; !c.Type.NotNull().Equal(want.NotNull()) {
			return nil, malformed("the reply's %s is %s, and %s is wanted", c.Name, c.Type.NotNull(), want)
		}
	}
	only := array.NewRecord(schema, columns, record.NumRows())
	defer only.Release()
	if err := r.Load(only); err != nil {
		return nil, malformed("%v", err)
	}
	return r, nil
}
