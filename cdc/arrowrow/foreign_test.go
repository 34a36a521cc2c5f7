package arrowrow_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/arrowrow"
)

// uuidType is how a program registers arrow.uuid with its Arrow.
type uuidType struct{ arrow.ExtensionBase }

func (*uuidType) ArrayType() reflect.Type                  { return reflect.TypeFor[uuidArray]() }
func (*uuidType) ExtensionName() string                    { return "arrow.uuid" }
func (*uuidType) Serialize() string                        { return "" }
func (*uuidType) ExtensionEquals(arrow.ExtensionType) bool { return true }
func (*uuidType) Deserialize(s arrow.DataType, _ string) (arrow.ExtensionType, error) {
	return &uuidType{arrow.ExtensionBase{Storage: s}}, nil
}

type uuidArray struct{ array.ExtensionArrayBase }

// record builds one column from JSON values.
func record(t testing.TB, f arrow.Field, values string) arrow.Record {
	t.Helper()
	a, _, err := array.FromJSON(memory.DefaultAllocator, f.Type, strings.NewReader(values))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Release()
	return array.NewRecord(arrow.NewSchema([]arrow.Field{f}, nil), []arrow.Array{a}, int64(a.Len()))
}

func TestWhatOtherWritersSendIsRead(t *testing.T) {
	for _, c := range []struct {
		name   string
		field  arrow.Field
		values string
		typ    string
		want   string // the row, or the error of reading it
	}{
		{"small ints", arrow.Field{Type: arrow.PrimitiveTypes.Int8}, `[-7]`, "int", `-7`},
		{"unsigned ints", arrow.Field{Type: arrow.PrimitiveTypes.Uint32}, `[4294967295]`, "int", `4294967295`},
		{"the largest int that fits", arrow.Field{Type: arrow.PrimitiveTypes.Uint64}, `["9223372036854775807"]`, "int", `9223372036854775807`},
		{"an int that does not fit", arrow.Field{Type: arrow.PrimitiveTypes.Uint64}, `["9223372036854775808"]`, "int",
			"read row 0: column x: 9223372036854775808 is too large for int"},
		{"float32", arrow.Field{Type: arrow.PrimitiveTypes.Float32}, `[0.5]`, "float", `0.5`},
		{"large texts", arrow.Field{Type: arrow.BinaryTypes.LargeString}, `["ä"]`, "string", `"ä"`},
		{"large binaries", arrow.Field{Type: arrow.BinaryTypes.LargeBinary}, `["aGk="]`, "bytes", `"aGk="`},
		{"binaries of one size that are no UUID", arrow.Field{Type: &arrow.FixedSizeBinaryType{ByteWidth: 2}}, `["aGk="]`, "bytes", `"aGk="`},
		{"large lists", arrow.Field{Type: arrow.LargeListOf(arrow.PrimitiveTypes.Int64)}, `[[1,2]]`, "[int?]", `[1,2]`},
		{"seconds", arrow.Field{Type: &arrow.TimestampType{Unit: arrow.Second, TimeZone: "Europe/Berlin"}}, `[1]`, "timestamp", `"1970-01-01T00:00:01Z"`},
		{"milliseconds", arrow.Field{Type: &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}}, `[1500]`, "timestamp", `"1970-01-01T00:00:01.5Z"`},
		{"whole microseconds in nanoseconds", arrow.Field{Type: &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}}, `[2000]`, "timestamp", `"1970-01-01T00:00:00.000002Z"`},
		{"parts of a microsecond", arrow.Field{Type: &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}}, `[2001]`, "timestamp",
			"read row 0: column x: 2001 ns since 1970 are no whole microseconds"},
		{"a time too far away", arrow.Field{Type: &arrow.TimestampType{Unit: arrow.Second, TimeZone: "UTC"}}, `[9223372036854776]`, "timestamp",
			"read row 0: column x: 9223372036854776 is too far from 1970"},
		{"decimal128", arrow.Field{Type: &arrow.Decimal128Type{Precision: 5, Scale: 2}}, `["-0.05"]`, "decimal", `"-0.05"`},
		{"null where none was promised", arrow.Field{Type: arrow.PrimitiveTypes.Int64}, `[null]`, "int", "read row 0: column x: null, and int does not allow it"},
		{"null", arrow.Field{Type: arrow.PrimitiveTypes.Int64, Nullable: true}, `[null]`, "int?", `null`},
		{"a vector with a hole", arrow.Field{Type: arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Float32)}, `[[1,null]]`, "vector(2)",
			"read row 0: column x: number 1 of the vector is null"},
		{"null in a list of structs", arrow.Field{Type: arrow.ListOf(arrow.StructOf(arrow.Field{Name: "y", Type: arrow.PrimitiveTypes.Int64}))}, `[[{"y":1},{"y":null}]]`,
			"[{y: int}?]", "read row 0: column x[].y: null, and int does not allow it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.field.Name = "x"
			rec := record(t, c.field, c.values)
			defer rec.Release()
			r, err := arrowrow.NewReader(rec.Schema())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Release()
			if got := r.Schema().Columns[0].Type.String(); got != c.typ {
				t.Errorf("the type is %s, want %s", got, c.typ)
			}
			if err := r.Load(rec); err != nil {
				t.Fatal(err)
			}
			var b cdc.RowBuilder
			got := ""
			if err := r.Read(&b, 0); err != nil {
				got = err.Error()
			} else {
				got = string(cdc.AppendJSON(nil, &r.Schema().Columns[0].Type, b.Build().At(0)))
			}
			if got != c.want {
				t.Errorf("read %s, want %s", got, c.want)
			}
		})
	}
}

func TestTypesWithoutCounterpartAreNamed(t *testing.T) {
	for _, c := range []struct {
		name string
		typ  arrow.DataType
		want string
	}{
		{"a time without a zone", &arrow.TimestampType{Unit: arrow.Microsecond}, "map column x: no counterpart of timestamp[us]"},
		{"half floats", arrow.FixedWidthTypes.Float16, "map column x: no counterpart of float16"},
		{"dictionaries", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String},
			"map column x: no counterpart of dictionary<values=utf8, indices=int8, ordered=false>"},
		{"maps in a struct", arrow.StructOf(arrow.Field{Name: "m", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64)}),
			"map column x.m: no counterpart of map<utf8, int64, items_nullable>"},
		{"a list of one size that is no vector", arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int64), "map column x: no counterpart of fixed_size_list<item: int64, nullable>[2]"},
		{"a decimal of absurd scale", &arrow.Decimal128Type{Precision: 3, Scale: -1 << 30}, "map column x: no counterpart of decimal(3, -1073741824)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := arrowrow.SchemaFromArrow(arrow.NewSchema([]arrow.Field{{Name: "x", Type: c.typ}}, nil))
			var typeError *arrowrow.TypeError
			if !errors.As(err, &typeError) || err.Error() != c.want || typeError.Hint == "" {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestSchemasThatContradictThemselvesAreRefused(t *testing.T) {
	meta := func(key string) *arrow.Metadata {
		m := arrow.NewMetadata([]string{"freshet.key"}, []string{key})
		return &m
	}
	x := arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int64}
	for name, s := range map[string]*arrow.Schema{
		"two columns of one name":      arrow.NewSchema([]arrow.Field{x, x}, nil),
		"two fields of one name":       arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.ListOf(twice{arrow.StructOf(x)})}}, nil),
		"a key that is no list":        arrow.NewSchema([]arrow.Field{x}, meta(`x`)),
		"a key of no column":           arrow.NewSchema([]arrow.Field{x}, meta(`["y"]`)),
		"a key with a column twice":    arrow.NewSchema([]arrow.Field{x}, meta(`["x","x"]`)),
		"a key that cannot be ordered": arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.ListOf(x.Type)}}, meta(`["x"]`)),
		"an enum that is no list": arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.BinaryTypes.String,
			Metadata: arrow.NewMetadata([]string{"freshet.enum"}, []string{"low"})}}, nil),
	} {
		if _, err := arrowrow.SchemaFromArrow(s); err == nil {
			t.Errorf("%s: taken, want an error", name)
		}
	}
}

// twice is a type that no reader can know.
type twice struct{ arrow.DataType }

func TestARecordOfAnotherSchemaIsRefused(t *testing.T) {
	ints := record(t, arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int64}, `[1]`)
	defer ints.Release()
	texts := record(t, arrow.Field{Name: "x", Type: arrow.BinaryTypes.String}, `["1"]`)
	defer texts.Release()
	r, err := arrowrow.NewReader(ints.Schema())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if err := r.Load(ints); err != nil || r.Len() != 1 {
		t.Fatalf("load: %v, %d rows", err, r.Len())
	}
	if err := r.Load(texts); err == nil || r.Len() != 0 {
		t.Errorf("load of another schema: %v, %d rows held", err, r.Len())
	}
}
