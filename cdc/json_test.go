package cdc_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func object(columns []cdc.Column, r cdc.Row) []byte {
	return append(cdc.AppendFieldsJSON([]byte{'{'}, columns, r), '}')
}

func TestJSONReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &cdc.Schema{Columns: drawColumns(t, 2)}
		r := drawRow(t, s.Columns)
		text := object(s.Columns, r)
		if !json.Valid(text) {
			t.Fatalf("no JSON: %s", text)
		}
		back, err := cdc.RowFromJSON(s, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !bytes.Equal(back, r) {
			t.Fatalf("%s becomes %s", text, object(s.Columns, back))
		}
	})
}

func TestJSONForm(t *testing.T) {
	elem := cdc.Type{Kind: cdc.Int64, Nullable: true}
	columns := []cdc.Column{
		{Name: "b", Type: cdc.Type{Kind: cdc.Bool}},
		{Name: "f", Type: cdc.Type{Kind: cdc.Float64}},
		{Name: "nan", Type: cdc.Type{Kind: cdc.Float64}},
		{Name: "d", Type: cdc.Type{Kind: cdc.Decimal}},
		{Name: "s \"q\"", Type: cdc.Type{Kind: cdc.String}},
		{Name: "raw", Type: cdc.Type{Kind: cdc.Bytes}},
		{Name: "ts", Type: cdc.Type{Kind: cdc.Timestamp}},
		{Name: "day", Type: cdc.Type{Kind: cdc.Date}},
		{Name: "id", Type: cdc.Type{Kind: cdc.UUID}},
		{Name: "j", Type: cdc.Type{Kind: cdc.JSON}},
		{Name: "v", Type: cdc.Type{Kind: cdc.Vector, Dims: 3}},
		{Name: "l", Type: cdc.Type{Kind: cdc.List, Elem: &elem}},
		{Name: "o", Type: cdc.Type{Kind: cdc.Struct, Fields: []cdc.Column{{Name: "x", Type: elem}}}},
		{Name: "u", Type: elem},
	}
	var list, fields, b cdc.RowBuilder
	list.Int64(1)
	list.Null()
	fields.Int64(2)
	b.Bool(false)
	b.Float64(1e21)
	b.Float64(math.NaN())
	b.Text("1.50")
	b.Text("a\"\\\n\t\x01é\xffz<>&\u2028")
	b.Bytes([]byte{0xff, 0xfe})
	b.Int64(1_700_000_000_123_456)
	b.Days(19_000)
	b.Bytes([]byte("0123456789abcdef"))
	b.Text(`{"k": 1}`)
	b.Vector([]float32{0.1, -2, 16777216})
	b.Row(list.Build())
	b.Row(fields.Build())
	b.Unchanged()
	want := `{"b":false,"f":1e+21,"nan":"NaN","d":"1.50","s \"q\"":"a\"\\\n\t\u0001é` + "\ufffd" + `z<>&` + "\u2028" +
		`","raw":"//4=","ts":"2023-11-14T22:13:20.123456Z","day":"2022-01-08","id":"30313233-3435-3637-3839-616263646566",` +
		`"j":{"k": 1},"v":[0.1,-2,1.6777216e+07],"l":[1,null],"o":{"x":2},"u":null}`
	if diff := cmp.Diff(want, string(object(columns, b.Build()))); diff != "" {
		t.Error(diff)
	}
}

// checkPlain compares PlainJSON with what it says of itself.
func checkPlain(t interface{ Fatalf(string, ...any) }, s string) {
	n := strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r == '"' || r == '\\' })
	if n < 0 {
		n = len(s)
	}
	ascii := !strings.ContainsFunc(s[:n], func(r rune) bool { return r >= utf8.RuneSelf })
	if gotN, gotASCII := cdc.PlainJSON(s); gotN != n || gotASCII != ascii {
		t.Fatalf("%q is plain up to %d (ASCII: %v), not %d (%v)", s, n, ascii, gotN, gotASCII)
	}
}

func TestPlainJSONEndsBeforeWhatIsEscaped(t *testing.T) {
	for c := range 256 { // each byte at each place of a word, and behind it
		for at := range 20 {
			s := []byte(strings.Repeat("\x7f ", 12))
			s[at], s[at+1], s[at+3] = byte(c), 0x20, '"'
			checkPlain(t, string(s))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		checkPlain(t, string(rapid.SliceOf(rapid.Byte()).Draw(t, "s")))
	})
}

func BenchmarkAppendJSONString(b *testing.B) {
	for name, s := range map[string]string{
		"short": "Hamburg", "plain": strings.Repeat("a note of some length, with words", 8), "Cyrillic": strings.Repeat("слово за словом ", 8),
	} {
		b.Run(name, func(b *testing.B) {
			var dst []byte
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				dst = cdc.AppendJSONString(dst[:0], s)
			}
		})
	}
}

func TestRowFromJSONNamesWhatIsWrong(t *testing.T) {
	elem := cdc.Type{Kind: cdc.Int64}
	s := &cdc.Schema{Columns: []cdc.Column{
		{Name: "n", Type: cdc.Type{Kind: cdc.Int64}},
		{Name: "e", Type: cdc.Type{Kind: cdc.String, Nullable: true, Enum: []string{"low", "high"}}},
		{Name: "v", Type: cdc.Type{Kind: cdc.Vector, Nullable: true, Dims: 2}},
		{Name: "l", Type: cdc.Type{Kind: cdc.List, Nullable: true, Elem: &elem}},
		{Name: "t", Type: cdc.Type{Kind: cdc.Timestamp, Nullable: true}},
		{Name: "s", Type: cdc.Type{Kind: cdc.String, Nullable: true}},
		{Name: "o", Type: cdc.Type{Kind: cdc.Struct, Nullable: true, Fields: []cdc.Column{{Name: "x", Type: elem}}}},
	}}
	for text, said := range map[string]string{
		`[]`:                        "read row",
		`null`:                      "null is no object",
		`{"n":1} {}`:                "read row",
		`{}`:                        "column n: no value",
		`{"n":null}`:                "column n: no value",
		`{"n":1.5}`:                 "column n",
		`{"n":1,"b":2,"a":3}`:       `no column "a"`,
		`{"n":1,"e":"middle"}`:      `"middle" is none`,
		`{"n":1,"v":[1,null]}`:      "element 1 is null",
		`{"n":1,"v":[1]}`:           "1 numbers",
		`{"n":1,"v":[1,1e39]}`:      "column v",
		`{"n":1,"l":[1,null]}`:      "an element is null",
		`{"n":1,"t":"yesterday"}`:   "timestamp",
		`{"n":1,"s":7}`:             "not a string",
		`{"n":1,"o":{"x":1,"y":2}}`: `no column "y"`,
	} {
		if _, err := cdc.RowFromJSON(s, []byte(text)); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%s: %v, which does not say %q", text, err, said)
		}
	}
	if _, err := cdc.RowFromJSON(s, []byte(`{"n":"5","e":"low"}`)); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

func FuzzRowFromJSON(f *testing.F) {
	elem := cdc.Type{Kind: cdc.Decimal, Nullable: true}
	s := &cdc.Schema{Columns: []cdc.Column{
		{Name: "a", Type: cdc.Type{Kind: cdc.Int64}},
		{Name: "b", Type: cdc.Type{Kind: cdc.List, Nullable: true, Elem: &elem}},
		{Name: "c", Type: cdc.Type{Kind: cdc.Vector, Nullable: true}},
		{Name: "d", Type: cdc.Type{Kind: cdc.Timestamp, Nullable: true}},
		{Name: "e", Type: cdc.Type{Kind: cdc.JSON, Nullable: true}},
	}}
	f.Add([]byte(`{"a": 1, "b": ["1.5", null, 2], "c": [0.5], "d": "2024-01-01T00:00:00Z", "e": {"x": []}}`))
	f.Add([]byte(`{"a": 1, "b": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := cdc.RowFromJSON(s, data)
		if err != nil {
			return
		}
		if err := cdc.CheckRow(r); err != nil {
			t.Fatal(err)
		}
		text := object(s.Columns, r)
		back, err := cdc.RowFromJSON(s, text)
		if err != nil || !bytes.Equal(back, r) {
			t.Errorf("%s becomes %s: %v", text, object(s.Columns, back), err)
		}
	})
}

func TestInfiniteTimesAreWords(t *testing.T) {
	for _, kind := range []cdc.Kind{cdc.Timestamp, cdc.Date} {
		for _, word := range []string{"infinity", "-infinity"} {
			s := &cdc.Schema{Columns: []cdc.Column{{Name: "at", Type: cdc.Type{Kind: kind}}}, Key: []int{0}}
			object := `{"at":"` + word + `"}`
			row, err := cdc.RowFromJSON(s, []byte(object))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(cdc.AppendFieldsJSON([]byte("{"), s.Columns, row)) + "}"; got != object {
				t.Errorf("%s %s is written as %s", kind, word, got)
			}
			key, err := s.AppendKey(nil, row)
			if err != nil || cdc.Key(key).Text() != word {
				t.Errorf("%s %s has the key %q: %v", kind, word, cdc.Key(key).Text(), err)
			}
			if back, err := cdc.ParseKeyText(s.KeyTypes(), word); err != nil || string(back) != string(key) {
				t.Errorf("%s %s is read back as %x: %v", kind, word, back, err)
			}
		}
	}
}
