package arrowrow_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/arrowrow"
)

// drawType draws any type, nested to a depth.
func drawType(t *rapid.T, depth int) cdc.Type {
	last := cdc.Struct
	if depth == 0 {
		last = cdc.Vector
	}
	typ := cdc.Type{Kind: cdc.Kind(rapid.IntRange(int(cdc.Bool), int(last)).Draw(t, "kind")), Nullable: rapid.Bool().Draw(t, "nullable")}
	switch typ.Kind {
	case cdc.String:
		if rapid.IntRange(0, 3).Draw(t, "enum") == 0 {
			typ.Enum = []string{"low", "a, b)", `"`}
		}
	case cdc.Vector:
		typ.Dims = rapid.IntRange(0, 4).Draw(t, "dims")
	case cdc.List:
		elem := drawType(t, depth-1)
		typ.Elem = &elem
	case cdc.Struct:
		typ.Fields = drawColumns(t, depth-1)
	}
	return typ
}

func drawColumns(t *rapid.T, depth int) []cdc.Column {
	columns := make([]cdc.Column, rapid.IntRange(1, 4).Draw(t, "columns"))
	for i := range columns {
		columns[i] = cdc.Column{Name: fmt.Sprintf("c%d", i), Type: drawType(t, depth)}
	}
	return columns
}

func drawSchema(t *rapid.T) *cdc.Schema {
	s := &cdc.Schema{Columns: drawColumns(t, 2)}
	for i, c := range s.Columns {
		if cdc.Keyable(c.Type.Kind) && rapid.Bool().Draw(t, "key") {
			s.Key = append([]int{i}, s.Key...) // in another order than the columns
		}
	}
	return s
}

func drawValue(t *rapid.T, b *cdc.RowBuilder, typ cdc.Type) {
	if typ.Nullable && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		b.Null()
		return
	}
	switch typ.Kind {
	case cdc.Bool:
		b.Bool(rapid.Bool().Draw(t, "bool"))
	case cdc.Int64, cdc.Timestamp:
		b.Int64(rapid.Int64().Draw(t, "int"))
	case cdc.Float64:
		b.Float64(rapid.Float64().Draw(t, "float"))
	case cdc.Decimal:
		b.Text(rapid.SampledFrom([]string{"0", "1.50", "-1e400", "NaN", "00012.000", "9999999999999999999999999999999999999999"}).Draw(t, "decimal"))
	case cdc.String:
		if len(typ.Enum) > 0 {
			b.Text(rapid.SampledFrom(typ.Enum).Draw(t, "enum"))
			return
		}
		b.Text(rapid.String().Draw(t, "text"))
	case cdc.JSON:
		b.Text(rapid.SampledFrom([]string{`{"a": [1, 2]}`, `null`, ` 1`}).Draw(t, "json"))
	case cdc.Bytes:
		b.Bytes(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case cdc.Date:
		b.Days(rapid.Int32().Draw(t, "date"))
	case cdc.UUID:
		b.Bytes(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
	case cdc.Vector:
		n := typ.Dims
		if n == 0 {
			n = rapid.IntRange(0, 3).Draw(t, "length")
		}
		b.Vector(rapid.SliceOfN(rapid.Float32(), n, n).Draw(t, "vector"))
	case cdc.List:
		var inner cdc.RowBuilder
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			drawValue(t, &inner, *typ.Elem)
		}
		b.Row(inner.Build())
	case cdc.Struct:
		var inner cdc.RowBuilder
		for _, f := range typ.Fields {
			drawValue(t, &inner, f.Type)
		}
		b.Row(inner.Build())
	}
}

func drawRow(t *rapid.T, s *cdc.Schema) cdc.Row {
	var b cdc.RowBuilder
	for _, c := range s.Columns {
		drawValue(t, &b, c.Type)
	}
	return b.Build()
}

func TestRowsOfEveryTypeComeBackByteForByteAndNoMemoryIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
		defer mem.AssertSize(failing{t}, 0)
		s := drawSchema(t)
		w, err := arrowrow.NewWriter(s, mem, arrowrow.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Release()
		for range 2 { // a writer is used again
			var rows []cdc.Row
			for range rapid.IntRange(0, 5).Draw(t, "rows") {
				rows = append(rows, drawRow(t, s))
				if err := w.Append(rows[len(rows)-1]); err != nil {
					t.Fatal(err)
				}
			}
			rec := w.Record()
			defer rec.Release()
			compare(t, s, rows, rec)
			if rapid.Bool().Draw(t, "over a wire") {
				sent := overWire(t, mem, rec)
				defer sent.Release()
				compare(t, s, rows, sent)
			}
			if from := len(rows) / 2; from > 0 { // offsets that do not begin at zero
				part := rec.NewSlice(int64(from), int64(len(rows)))
				defer part.Release()
				compare(t, s, rows[from:], part)
			}
		}
	})
}

// failing makes a rapid.T the testing interface that Arrow wants.
type failing struct{ *rapid.T }

func (failing) Helper() {}

func compare(t *rapid.T, s *cdc.Schema, rows []cdc.Row, rec arrow.Record) {
	r, err := arrowrow.NewReader(rec.Schema())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if !r.Schema().Equal(s) {
		t.Fatalf("the schema comes back as %s, was %s", r.Schema(), s)
	}
	if err := r.Load(rec); err != nil {
		t.Fatal(err)
	}
	if r.Len() != len(rows) {
		t.Fatalf("%d rows come back of %d", r.Len(), len(rows))
	}
	var b cdc.RowBuilder
	for i, want := range rows {
		if err := r.Read(&b, i); err != nil {
			t.Fatal(err)
		}
		if got := b.Build(); !bytes.Equal(got, want) {
			t.Fatalf("row %d of %s comes back as {%s}, was {%s}", i, s, cdc.AppendFieldsJSON(nil, s.Columns, got), cdc.AppendFieldsJSON(nil, s.Columns, want))
		}
	}
}

func overWire(t *rapid.T, mem memory.Allocator, rec arrow.Record) arrow.Record {
	var wire bytes.Buffer
	out := ipc.NewWriter(&wire, ipc.WithSchema(rec.Schema()), ipc.WithAllocator(mem))
	if err := out.Write(rec); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	in, err := ipc.NewReader(&wire, ipc.WithAllocator(mem))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Release()
	sent, err := in.Read()
	if err != nil {
		t.Fatal(err)
	}
	sent.Retain()
	return sent
}

func TestDecimalsOfDeclaredPrecisionKeepTheirNumber(t *testing.T) {
	s := &cdc.Schema{Columns: []cdc.Column{{Name: "d", Type: cdc.Type{Kind: cdc.Decimal}}}}
	for _, c := range []struct {
		name      string
		precision arrowrow.Precision
		text      string
		want      string // empty: an error
	}{
		{"all places are shown", arrowrow.Precision{Digits: 10, Scale: 2}, "1.5", "1.50"},
		{"zeros behind the declared places are no digits", arrowrow.Precision{Digits: 10, Scale: 2}, "-1.5000", "-1.50"},
		{"an exponent is resolved", arrowrow.Precision{Digits: 10, Scale: 2}, "+12e3", "12000.00"},
		{"a negative exponent is resolved", arrowrow.Precision{Digits: 10, Scale: 4}, "12e-3", "0.0120"},
		{"zero", arrowrow.Precision{Digits: 3, Scale: 3}, "-0.00000", "0.000"},
		{"less than one", arrowrow.Precision{Digits: 3, Scale: 3}, "-.007", "-0.007"},
		{"no places", arrowrow.Precision{Digits: 3}, "999", "999"},
		{"38 digits", arrowrow.Precision{Digits: 38, Scale: 1}, "-9999999999999999999999999999999999999.9", "-9999999999999999999999999999999999999.9"},
		{"76 digits", arrowrow.Precision{Digits: 76}, "1" + string(bytes.Repeat([]byte("0"), 75)), "1" + string(bytes.Repeat([]byte("0"), 75))},
		{"a digit behind the declared places", arrowrow.Precision{Digits: 10, Scale: 2}, "1.505", ""},
		{"a digit before the declared ones", arrowrow.Precision{Digits: 3, Scale: 2}, "10.00", ""},
		{"a huge exponent", arrowrow.Precision{Digits: 76}, "1e999999999", ""},
		{"an exponent that is no number", arrowrow.Precision{Digits: 76}, "1e99999999999999999999", ""},
		{"not a number", arrowrow.Precision{Digits: 10}, "NaN", ""},
		{"infinity", arrowrow.Precision{Digits: 10}, "-Infinity", ""},
		{"nothing", arrowrow.Precision{Digits: 10}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := arrowrow.NewWriter(s, nil, arrowrow.Options{Decimals: map[string]arrowrow.Precision{"d": c.precision}})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Release()
			var b cdc.RowBuilder
			b.Text(c.text)
			err = w.Append(b.Build())
			if c.want == "" {
				if err == nil || w.Len() != 0 {
					t.Fatalf("%q is taken, want an error", c.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			rec := w.Record()
			defer rec.Release()
			if got := only(t, rec).At(0).Text(); got != c.want {
				t.Errorf("%q comes back as %q, want %q", c.text, got, c.want)
			}
		})
	}
}

// only reads the one row of a record.
func only(t *testing.T, rec arrow.Record) cdc.Row {
	t.Helper()
	r, err := arrowrow.NewReader(rec.Schema())
	if err == nil {
		err = r.Load(rec)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	var b cdc.RowBuilder
	if err := r.Read(&b, 0); err != nil {
		t.Fatal(err)
	}
	return b.Build()
}

func TestWhatARowMayNotHoldIsToldAndLeavesNoTrace(t *testing.T) {
	s := &cdc.Schema{Columns: []cdc.Column{
		{Name: "id", Type: cdc.Type{Kind: cdc.Int64}},
		{Name: "v", Type: cdc.Type{Kind: cdc.Vector, Dims: 2, Nullable: true}},
		{Name: "tags", Type: cdc.Type{Kind: cdc.List, Elem: &cdc.Type{Kind: cdc.String}, Nullable: true}},
		{Name: "at", Type: cdc.Type{Kind: cdc.Struct, Nullable: true, Fields: []cdc.Column{{Name: "x", Type: cdc.Type{Kind: cdc.Float64}}}}},
	}}
	list := func(build func(b *cdc.RowBuilder)) cdc.Row {
		var b cdc.RowBuilder
		build(&b)
		return b.Build()
	}
	rest := func(b *cdc.RowBuilder, n int) {
		for range n {
			b.Null()
		}
	}
	for _, c := range []struct {
		name  string
		build func(b *cdc.RowBuilder)
		want  string
	}{
		{"null where none is allowed", func(b *cdc.RowBuilder) { rest(b, 4) }, "write column id: null, and int does not allow it"},
		{"a value that was not sent", func(b *cdc.RowBuilder) { b.Unchanged(); rest(b, 3) }, "write column id: the value was not sent; resolve it before"},
		{"a reference", func(b *cdc.RowBuilder) { b.Int64(1); b.Reference([]byte("f")); rest(b, 2) },
			"write column v: the value is stored elsewhere; resolve it before"},
		{"a vector of another length", func(b *cdc.RowBuilder) { b.Int64(1); b.Vector([]float32{1}); rest(b, 2) }, "write column v: 4 bytes are no vector(2)?"},
		{"bytes of another type", func(b *cdc.RowBuilder) { b.Bool(true); rest(b, 3) }, "write column id: 1 bytes are no int"},
		{"a text that is no UTF-8 in a list", func(b *cdc.RowBuilder) {
			b.Int64(1)
			b.Null()
			b.Row(list(func(b *cdc.RowBuilder) { b.Text("a"); b.Text("\xff") }))
			b.Null()
		}, "write column tags[]: the text is not valid UTF-8"},
		{"a list that is no row", func(b *cdc.RowBuilder) { b.Int64(1); b.Null(); b.Bytes([]byte{9}); b.Null() },
			"write column tags: read row: 1 bytes are too few"},
		{"a struct of more fields", func(b *cdc.RowBuilder) {
			b.Int64(1)
			rest(b, 2)
			b.Row(list(func(b *cdc.RowBuilder) { b.Float64(1); b.Float64(2) }))
		}, "write column at: 2 fields are no {x: float}?"},
		{"null in a struct", func(b *cdc.RowBuilder) { b.Int64(1); rest(b, 2); b.Row(list(func(b *cdc.RowBuilder) { b.Null() })) },
			"write column at.x: null, and float does not allow it"},
		{"a row of another schema", func(b *cdc.RowBuilder) { b.Int64(1) }, "write row: 1 fields, the schema has 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := arrowrow.NewWriter(s, nil, arrowrow.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Release()
			good := list(func(b *cdc.RowBuilder) { b.Int64(7); rest(b, 3) })
			for _, row := range []cdc.Row{list(c.build), good} {
				if err := w.Append(row); (err == nil) != (len(row) == len(good) && bytes.Equal(row, good)) || err != nil && err.Error() != c.want {
					t.Fatalf("append {%x}: %v, want %s", row, err, c.want)
				}
			}
			rec := w.Record()
			defer rec.Release()
			if rec.NumRows() != 1 || !bytes.Equal(only(t, rec), good) {
				t.Errorf("%d rows, want the good one alone", rec.NumRows())
			}
		})
	}
}

func TestOptionsThatDoNotFitAreTold(t *testing.T) {
	s := &cdc.Schema{Columns: []cdc.Column{{Name: "d", Type: cdc.Type{Kind: cdc.Decimal}}, {Name: "n", Type: cdc.Type{Kind: cdc.Int64}}}}
	for name, o := range map[string]arrowrow.Options{
		"no such column":       {Decimals: map[string]arrowrow.Precision{"x": {Digits: 3}}},
		"not a decimal":        {Decimals: map[string]arrowrow.Precision{"n": {Digits: 3}}},
		"no digits":            {Decimals: map[string]arrowrow.Precision{"d": {}}},
		"too many digits":      {Decimals: map[string]arrowrow.Precision{"d": {Digits: 77}}},
		"more places than all": {Decimals: map[string]arrowrow.Precision{"d": {Digits: 3, Scale: 4}}},
	} {
		if _, err := arrowrow.NewWriter(s, nil, o); err == nil {
			t.Errorf("%s: taken, want an error", name)
		}
	}
	if _, err := arrowrow.SchemaToArrow(&cdc.Schema{Columns: []cdc.Column{{Name: "x"}}}, arrowrow.Options{}); err == nil {
		t.Error("a column of no type is mapped")
	}
}

func TestUUIDAndJSONAreTheExtensionsThatOthersKnow(t *testing.T) {
	s := &cdc.Schema{Columns: []cdc.Column{{Name: "u", Type: cdc.Type{Kind: cdc.UUID}}, {Name: "j", Type: cdc.Type{Kind: cdc.JSON}}}, Key: []int{0}}
	a, err := arrowrow.SchemaToArrow(s, arrowrow.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range a.Fields() {
		name, _ := f.Metadata.GetValue("ARROW:extension:name")
		got = append(got, fmt.Sprint(f.Type, " ", name))
	}
	if diff := cmp.Diff([]string{"fixed_size_binary[16] arrow.uuid", "utf8 arrow.json"}, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestRegisteredExtensionsAreReadToo(t *testing.T) {
	b := array.NewFixedSizeBinaryBuilder(memory.DefaultAllocator, &arrow.FixedSizeBinaryType{ByteWidth: 16})
	defer b.Release()
	b.Append([]byte("0123456789abcdef"))
	stored := b.NewArray()
	defer stored.Release()
	a := array.NewExtensionArrayWithStorage(&uuidType{arrow.ExtensionBase{Storage: stored.DataType()}}, stored)
	defer a.Release()
	rec := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "u", Type: a.DataType()}}, nil), []arrow.Array{a}, 1)
	defer rec.Release()
	if got := string(only(t, rec).At(0).Raw); got != "0123456789abcdef" {
		t.Errorf("read %q", got)
	}
}
