package stream_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

func TestAFunctionThatPanicsOrErrsCostsOneRow(t *testing.T) {
	f, all := typed()
	shout := stream.Map(all, "shout", stream.Version(1), shouted)
	odd := stream.Filter(shout, "odd", stream.Version(1), isOdd)
	stream.Into(odd, "index", target{}, stream.SinkOptions{})
	p := plan(t, f)
	// I6: what is rejected yields an error, on which the engine removes what the row had written; the rows
	// before and behind it are not touched.
	got := apply(t, p, "shout", `{"id":1,"title":"a"}`, `{"id":2,"title":""}`, `{"id":3,"title":"?"}`, `{"id":4,"title":"b"}`)
	want := []string{
		`{"id":1,"title":"A!"}`,
		"! call stream_test.shouted: panic at func_test.go:LINE: runtime error: index out of range [0] with length 0",
		"! call stream_test.shouted: the title is a question",
		`{"id":4,"title":"B!"}`,
	}
	if diff := cmp.Diff(want, withoutLines(got)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	got = apply(t, p, "odd", `{"id":1,"title":"A!"}`, `{"id":2,"title":"B!"}`, `{"id":0,"title":"B!"}`)
	want = []string{`{"id":1,"title":"A!"}`, "! call stream_test.isOdd: panic at func_test.go:LINE: zero is neither"}
	if diff := cmp.Diff(want, withoutLines(got)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

type shoutedDoc struct {
	ID    int64
	Title string
}

func shouted(d Doc) (shoutedDoc, error) {
	if d.Title == "?" {
		return shoutedDoc{}, errors.New("the title is a question")
	}
	_ = d.Title[0]
	return shoutedDoc{Title: strings.ToUpper(d.Title) + "!"}, nil
}

func isOdd(d shoutedDoc) bool {
	if d.ID == 0 {
		panic("zero is neither")
	}
	return d.ID%2 == 1
}

// withoutLines replaces line numbers of this file.
func withoutLines(rows []string) []string {
	for i, r := range rows {
		if before, after, ok := strings.Cut(r, "func_test.go:"); ok {
			rows[i] = before + "func_test.go:LINE" + strings.TrimLeft(after, "0123456789")
		}
	}
	return rows
}

func TestARowThatCannotBeWrittenIsRejectedWhole(t *testing.T) {
	type made struct {
		Text    string
		Amount  string    `freshet:",decimal"`
		Raw     string    `freshet:",json"`
		Vector  []float32 `freshet:",dims=2"`
		Count   uint64
		Tags    []string
		Related *struct{ Text string }
	}
	good := made{Amount: "1.50", Raw: "{}", Vector: []float32{1, 2}}
	for _, c := range []struct {
		name   string
		change func(m *made)
		want   string
	}{
		{"a text that is no UTF-8", func(m *made) { m.Text = "\xff" }, `write made.Text: "\xff" is not valid UTF-8`},
		{"a decimal that is none", func(m *made) { m.Amount = "1,5" }, `write made.Amount: "1,5" is no decimal`},
		{"an empty decimal", func(m *made) { m.Amount = "" }, `write made.Amount: "" is no decimal`},
		{"JSON that is none", func(m *made) { m.Raw = "{" }, `write made.Raw: "{" is no JSON`},
		{"a vector of another length", func(m *made) { m.Vector = []float32{1} }, `write made.Vector: 1 numbers, its tag says 2`},
		{"a number that does not fit", func(m *made) { m.Count = 1 << 63 }, `write made.Count: 9223372036854775808 does not fit int`},
		{"an element of a list", func(m *made) { m.Tags = []string{"a", "\xff"} }, `write made.Tags: element 1: "\xff" is not valid UTF-8`},
		{"a field of a struct", func(m *made) { m.Related = &struct{ Text string }{"\xff"} }, `write made.Related.Text: "\xff" is not valid UTF-8`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, all := typed()
			stream.Into(stream.FlatMap(all, "out", stream.Version(1), func(Doc) ([]made, error) {
				bad := good
				c.change(&bad)
				return []made{good, bad}, nil
			}), "index", target{}, stream.SinkOptions{})
			got := apply(t, plan(t, f), "out", `{"id":1,"title":"x"}`)
			if len(got) != 1 || !strings.HasSuffix(got[0], ": "+c.want) || !strings.HasPrefix(got[0], "! row 1 of stream_test.") {
				t.Errorf("got %q, want the row rejected: %s", got, c.want)
			}
		})
	}
}

func TestWhatAFunctionIsGivenStaysWhenTheRowIsOverwritten(t *testing.T) {
	type kept struct {
		ID    int64
		Title string
		Body  *string
	}
	d, err := stream.NewDecoder[kept]("docs", docs().collections[0].Schema)
	if err != nil {
		t.Fatal(err)
	}
	row, err := cdc.RowFromJSON(docs().collections[0].Schema, []byte(`{"id":1,"title":"abc","body":"def","lang":"en"}`))
	if err != nil {
		t.Fatal(err)
	}
	var k kept
	if err := d.Decode(row, &k); err != nil {
		t.Fatal(err)
	}
	clear(row)
	if k.ID != 1 || k.Title != "abc" || *k.Body != "def" {
		t.Errorf("%+v with body %s: it points into the row", k, *k.Body)
	}
}

func TestRowsThatBreakTheirSchemaAreErrors(t *testing.T) {
	type narrow struct {
		ID    int8
		Title string
		Body  *string
	}
	s := docs().collections[0].Schema
	d, err := stream.NewDecoder[narrow]("docs", s)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		build func(b *cdc.RowBuilder)
		want  string
	}{
		{"an int that does not fit the field", func(b *cdc.RowBuilder) { b.Int64(128); b.Text(""); b.Null(); b.Text("") }, "read narrow.ID: 128 does not fit int8"},
		{"null where none is allowed", func(b *cdc.RowBuilder) { b.Int64(1); b.Null(); b.Null(); b.Text("") }, "read narrow.Title: null where the schema allows none"},
		{"a reference", func(b *cdc.RowBuilder) { b.Int64(1); b.Text(""); b.Reference([]byte("f")); b.Text("") }, "read narrow.Body: the value is not in the row"},
		{"a value that was not sent", func(b *cdc.RowBuilder) { b.Int64(1); b.Text(""); b.Unchanged(); b.Text("") }, "read narrow.Body: the value is not in the row"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b cdc.RowBuilder
			c.build(&b)
			var n narrow
			if err := d.Decode(b.Build(), &n); err == nil || err.Error() != c.want {
				t.Errorf("decode: %v, want %s", err, c.want)
			}
		})
	}
}

func TestABoundStepIsRunByManyAtOnce(t *testing.T) {
	f, all := typed()
	stream.Into(stream.FlatMap(all, "lines", stream.Version(1), lines), "index", target{}, stream.SinkOptions{})
	p := plan(t, f)
	bodies := []string{"a", "b|b", "c|d|c"}
	var want [3][]string
	for i, body := range bodies {
		want[i] = apply(t, p, "lines", `{"id":1,"title":"","body":"`+body+`"}`)
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for range 50 {
				row, err := cdc.RowFromJSON(p.Collections[0].Schema, []byte(`{"id":1,"title":"","body":"`+bodies[i%3]+`"}`))
				var rows stream.Rows
				if err == nil {
					err = p.Steps[0].Mapper.Map(row, &rows)
				}
				if err != nil || rows.Len() != len(want[i%3]) {
					t.Errorf("%d rows of %q: %v", rows.Len(), bodies[i%3], err)
					return
				}
				for k := range rows.Len() {
					if got := "{" + string(cdc.AppendFieldsJSON(nil, p.Collections[1].Schema.Columns, rows.At(k))) + "}"; got != want[i%3][k] {
						t.Errorf("row %s, want %s", got, want[i%3][k])
					}
				}
			}
		})
	}
	wg.Wait()
}

// FuzzDecoder: no row that is well formed, whatever its fields hold, makes a decoder panic.
func FuzzDecoder(f *testing.F) {
	d, err := stream.NewDecoder[everything]("all", everySchema())
	if err != nil {
		f.Fatal(err)
	}
	var b cdc.RowBuilder
	for range everySchema().Columns {
		b.Bytes([]byte{2, 1, 0, 0})
	}
	f.Add([]byte(b.Build()))
	b.Reset()
	b.Row([]byte{1, 1, 0, 0})
	f.Add([]byte(b.Build()))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if cdc.CheckRow(raw) != nil {
			return
		}
		var e everything
		if err := d.Decode(raw, &e); err == nil && cdc.Row(raw).Len() < len(everySchema().Columns) {
			t.Fatal("a row without all columns is read")
		}
	})
}
