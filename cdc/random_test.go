package cdc_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Bounds of what has a text form: years 1 to 9999, as RFC 3339 writes them.
const (
	firstSecond = -62135596800
	lastSecond  = 253402300799
)

// scalars are the kinds without parts.
var scalars = []cdc.Kind{cdc.Bool, cdc.Int64, cdc.Float64, cdc.Decimal, cdc.String, cdc.Bytes, cdc.Timestamp, cdc.Date, cdc.UUID, cdc.JSON}

// drawType draws a type of at most this depth.
func drawType(t *rapid.T, depth int) cdc.Type {
	typ := cdc.Type{Kind: rapid.SampledFrom(scalars).Draw(t, "kind")}
	if depth > 0 {
		switch rapid.IntRange(0, 5).Draw(t, "shape") {
		case 0:
			elem := drawType(t, depth-1)
			typ = cdc.Type{Kind: cdc.List, Elem: &elem}
		case 1:
			typ = cdc.Type{Kind: cdc.Struct, Fields: drawColumns(t, depth-1)}
		case 2:
			typ = cdc.Type{Kind: cdc.Vector, Dims: rapid.IntRange(1, 5).Draw(t, "dims")}
		case 3:
			typ = cdc.Type{Kind: cdc.String, Enum: []string{"low", "high"}}
		}
	}
	typ.Nullable = rapid.Bool().Draw(t, "nullable")
	return typ
}

func drawColumns(t *rapid.T, depth int) []cdc.Column {
	columns := make([]cdc.Column, rapid.IntRange(0, 9).Draw(t, "columns"))
	for i := range columns {
		columns[i] = cdc.Column{Name: fmt.Sprint("c", i), Type: drawType(t, depth)}
	}
	return columns
}

// addValue draws a value of the type into the builder.
func addValue(t *rapid.T, b *cdc.RowBuilder, typ cdc.Type) {
	if typ.Nullable && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		b.Null()
		return
	}
	switch typ.Kind {
	case cdc.List:
		var inner cdc.RowBuilder
		for range rapid.IntRange(0, 5).Draw(t, "elements") {
			addValue(t, &inner, *typ.Elem)
		}
		b.Row(inner.Build())
	case cdc.Struct:
		b.Row(drawRow(t, typ.Fields))
	case cdc.Vector:
		b.Vector(rapid.SliceOfN(rapid.Float32(), typ.Dims, typ.Dims).Draw(t, "vector"))
	default:
		b.Bytes(drawScalar(t, typ))
	}
}

func drawRow(t *rapid.T, columns []cdc.Column) cdc.Row {
	var b cdc.RowBuilder
	for _, c := range columns {
		addValue(t, &b, c.Type)
	}
	return b.Build()
}

// drawScalar draws the encoded bytes of a value that has a text form.
func drawScalar(t *rapid.T, typ cdc.Type) []byte {
	if len(typ.Enum) > 0 {
		return []byte(rapid.SampledFrom(typ.Enum).Draw(t, "enum"))
	}
	var b cdc.RowBuilder
	switch typ.Kind {
	case cdc.Bool:
		b.Bool(rapid.Bool().Draw(t, "bool"))
	case cdc.Int64:
		b.Int64(rapid.Int64().Draw(t, "int"))
	case cdc.Float64:
		b.Float64(rapid.Float64().Draw(t, "float"))
	case cdc.Decimal:
		b.Text(rapid.StringMatching(`-?[0-9]{1,12}(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "decimal"))
	case cdc.String:
		b.Text(rapid.String().Draw(t, "string"))
	case cdc.Bytes:
		b.Bytes(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case cdc.Timestamp:
		b.Int64(rapid.Int64Range(firstSecond*1e6, lastSecond*1e6).Draw(t, "timestamp"))
	case cdc.Date:
		b.Days(rapid.Int32Range(firstSecond/86400, lastSecond/86400).Draw(t, "date"))
	case cdc.UUID:
		b.Bytes(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
	case cdc.JSON:
		b.Text(rapid.SampledFrom([]string{`1`, `"x"`, `{"a":[1,null]}`, `[]`, `true`}).Draw(t, "json"))
	}
	return bytes.Clone(b.Build().At(0).Raw)
}

// less compares two encoded values of a kind as the values compare, -1, 0 or 1; NaN is the greatest
// float and the least decimal, as keys have it.
func less(kind cdc.Kind, a, b cdc.Value) int {
	switch kind {
	case cdc.Int64, cdc.Timestamp:
		return compare(a.Int64(), b.Int64())
	case cdc.Date:
		return compare(a.Days(), b.Days())
	case cdc.Float64:
		x, y := a.Float64(), b.Float64()
		switch {
		case math.IsNaN(x) && math.IsNaN(y):
			return 0
		case math.IsNaN(x):
			return 1
		case math.IsNaN(y):
			return -1
		}
		return compare(x, y)
	case cdc.String:
		return strings.Compare(a.Text(), b.Text())
	}
	return bytes.Compare(a.Raw, b.Raw)
}

func compare[T int32 | int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
