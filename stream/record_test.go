package stream_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

type words string

type part struct {
	Text  *words
	Sizes []uint16
}

// everything has a field of every type that a column can be.
type everything struct {
	ID       [16]byte `freshet:",key"`
	Bool     bool
	Int      int
	Small    int32
	Unsigned uint8
	Float    float64
	Text     words
	Amount   string `freshet:",decimal"`
	Bytes    []byte
	At       time.Time
	Day      time.Time `freshet:",date"`
	Raw      json.RawMessage
	Array    [3]float32
	Vector   []float32 `freshet:",dims=2"`
	Tags     []string
	Parts    []*part
	Part     part
	part2
	NBool   *bool
	NText   *string
	NAt     *time.Time
	NDay    *time.Time `freshet:",date"`
	NAmount *string    `freshet:",decimal"`
	NID     *[16]byte
	NVector *[]float32 `freshet:"n_vector,dims=2"`
	NPart   *part
	Days    []time.Time `freshet:",date"`
	hidden  int
}

type part2 struct {
	HTTPCode int64 `freshet:""`
	UserID2  int64
}

func everySchema() *cdc.Schema {
	s := &cdc.Schema{Key: []int{0}}
	elem := func(t cdc.Type) *cdc.Type { return &t }
	inner := cdc.Type{Kind: cdc.Struct, Fields: []cdc.Column{column("text", "string?"), column("sizes", "[int]")}}
	for _, c := range []struct {
		name string
		typ  cdc.Type
	}{
		{"id", cdc.Type{Kind: cdc.UUID}}, {"bool", cdc.Type{Kind: cdc.Bool}}, {"int", cdc.Type{Kind: cdc.Int64}}, {"small", cdc.Type{Kind: cdc.Int64}},
		{"unsigned", cdc.Type{Kind: cdc.Int64}}, {"float", cdc.Type{Kind: cdc.Float64}}, {"text", cdc.Type{Kind: cdc.String}}, {"amount", cdc.Type{Kind: cdc.Decimal}},
		{"bytes", cdc.Type{Kind: cdc.Bytes}}, {"at", cdc.Type{Kind: cdc.Timestamp}}, {"day", cdc.Type{Kind: cdc.Date}}, {"raw", cdc.Type{Kind: cdc.JSON}},
		{"array", cdc.Type{Kind: cdc.Vector, Dims: 3}}, {"vector", cdc.Type{Kind: cdc.Vector, Dims: 2}}, {"tags", cdc.Type{Kind: cdc.List, Elem: elem(cdc.Type{Kind: cdc.String})}},
		{"parts", cdc.Type{Kind: cdc.List, Elem: elem(inner.OrNull())}}, {"part", inner}, {"http_code", cdc.Type{Kind: cdc.Int64}}, {"user_id2", cdc.Type{Kind: cdc.Int64}},
		{"n_bool", cdc.Type{Kind: cdc.Bool, Nullable: true}}, {"n_text", cdc.Type{Kind: cdc.String, Nullable: true}}, {"n_at", cdc.Type{Kind: cdc.Timestamp, Nullable: true}},
		{"n_day", cdc.Type{Kind: cdc.Date, Nullable: true}}, {"n_amount", cdc.Type{Kind: cdc.Decimal, Nullable: true}}, {"nid", cdc.Type{Kind: cdc.UUID, Nullable: true}},
		{"n_vector", cdc.Type{Kind: cdc.Vector, Dims: 2, Nullable: true}}, {"n_part", inner.OrNull()},
		{"days", cdc.Type{Kind: cdc.List, Elem: elem(cdc.Type{Kind: cdc.Date})}},
	} {
		s.Columns = append(s.Columns, cdc.Column{Name: c.name, Type: c.typ})
	}
	return s
}

// drawValue adds a value that the field of everything can hold.
func drawValue(t *rapid.T, b *cdc.RowBuilder, c cdc.Column) {
	if c.Type.Nullable && rapid.Bool().Draw(t, "null") {
		b.Null()
		return
	}
	switch c.Type.Kind {
	case cdc.Bool:
		b.Bool(rapid.Bool().Draw(t, c.Name))
	case cdc.Int64:
		switch c.Name {
		case "small":
			b.Int64(int64(rapid.Int32().Draw(t, c.Name)))
		case "unsigned", "sizes":
			b.Int64(int64(rapid.Uint8().Draw(t, c.Name)))
		default:
			b.Int64(rapid.Int64().Draw(t, c.Name))
		}
	case cdc.Timestamp:
		b.Int64(rapid.Int64Range(-62135596800000000, 253402300799999999).Draw(t, c.Name)) // the years 1 to 9999
	case cdc.Float64:
		b.Float64(rapid.Float64().Draw(t, c.Name))
	case cdc.String:
		b.Text(rapid.String().Draw(t, c.Name))
	case cdc.Decimal:
		b.Text(rapid.SampledFrom([]string{"0", "-1.50", "NaN", "1e10"}).Draw(t, c.Name))
	case cdc.JSON:
		b.Text(rapid.SampledFrom([]string{`null`, `{"a": [1]}`}).Draw(t, c.Name))
	case cdc.Bytes:
		b.Bytes(rapid.SliceOf(rapid.Byte()).Draw(t, c.Name))
	case cdc.Date:
		b.Days(rapid.Int32Range(-719162, 2932896).Draw(t, c.Name))
	case cdc.UUID:
		b.Bytes(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, c.Name))
	case cdc.Vector:
		b.Vector(rapid.SliceOfN(rapid.Float32(), c.Type.Dims, c.Type.Dims).Draw(t, c.Name))
	case cdc.List:
		var inner cdc.RowBuilder
		for range rapid.IntRange(0, 3).Draw(t, c.Name) {
			drawValue(t, &inner, cdc.Column{Name: c.Name, Type: *c.Type.Elem})
		}
		b.Row(inner.Build())
	case cdc.Struct:
		var inner cdc.RowBuilder
		for _, f := range c.Type.Fields {
			drawValue(t, &inner, f)
		}
		b.Row(inner.Build())
	}
}

func TestValuesOfEveryTypeComeOutAsTheyWentIn(t *testing.T) {
	s := everySchema()
	f := stream.New("test")
	all := stream.From[everything](f, "all", table{rescans: true, collections: []stream.Collection{{Schema: s}}})
	var seen everything
	stream.Into(stream.Map(all, "same", stream.Version(1), func(e everything) (everything, error) {
		seen = e
		return e, nil
	}), "index", target{}, stream.SinkOptions{})
	p := plan(t, f)
	if diff := cmp.Diff(s.String(), p.Collections[1].Schema.String()); diff != "" {
		t.Fatalf("columns (-want +got):\n%s", diff)
	}
	rapid.Check(t, func(t *rapid.T) {
		var b cdc.RowBuilder
		for _, c := range s.Columns {
			drawValue(t, &b, c)
		}
		row := b.Build()
		var out stream.Rows
		if err := p.Steps[0].Mapper.Map(row, &out); err != nil {
			t.Fatal(err)
		}
		if out.Len() != 1 || !bytes.Equal(out.At(0), row) {
			t.Fatalf("{%s} came out of {%s}", cdc.AppendFieldsJSON(nil, s.Columns, out.At(0)), cdc.AppendFieldsJSON(nil, s.Columns, row))
		}
		if seen.hidden != 0 || (seen.NText == nil) != (row.At(20).State == cdc.Null) || string(seen.Text) != row.At(6).Text() ||
			!seen.At.Equal(row.At(9).Time()) || seen.ID != row.At(0).UUID() || len(seen.Parts) != row.At(15).Row().Len() {
			t.Fatalf("the function saw %+v of {%s}", seen, cdc.AppendFieldsJSON(nil, s.Columns, row))
		}
	})
}

func BenchmarkMap(b *testing.B) {
	f, all := typed()
	type out struct {
		ID    int64
		Title string
		Size  int64
	}
	stream.Into(stream.Map(all, "out", stream.Version(1), func(d Doc) (out, error) {
		return out{Title: d.Title, Size: int64(len(*d.Body))}, nil
	}), "index", target{}, stream.SinkOptions{})
	benchmark(b, f)
}

func BenchmarkFilter(b *testing.B) {
	f, all := typed()
	stream.Into(stream.Filter(all, "out", stream.Version(1), func(d Doc) bool { return len(d.Title) > 3 }), "index", target{}, stream.SinkOptions{})
	benchmark(b, f)
}

func BenchmarkFlatMapOfTen(b *testing.B) {
	f, all := typed()
	made := make([]Line, 10)
	for i := range made {
		made[i].Text = "a line of text, number " + string(rune('a'+i))
	}
	stream.Into(stream.FlatMap(all, "out", stream.Version(1), func(d Doc) ([]Line, error) { return made, nil }), "index", target{}, stream.SinkOptions{})
	benchmark(b, f)
}

// benchmark gives one row to the first step of a flow, again and again.
func benchmark(b *testing.B, f *stream.Flow) {
	p, err := f.Plan(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	row, err := cdc.RowFromJSON(p.Collections[0].Schema, []byte(`{"id":1,"title":"The title of a page","body":"A body of some length, but not very long."}`))
	if err != nil {
		b.Fatal(err)
	}
	var out stream.Rows
	b.ReportAllocs()
	for b.Loop() {
		out.Reset()
		if err := p.Steps[0].Mapper.Map(row, &out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
