package pgvector_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/pgvector"
)

// typed is a column with a value, the type that the server gives it and the text that it prints.
type typed struct {
	name      string
	kind      cdc.Type
	add       func(b *cdc.RowBuilder)
	made, has string
}

func text(s string) func(b *cdc.RowBuilder) { return func(b *cdc.RowBuilder) { b.Text(s) } }

func number(n int64) func(b *cdc.RowBuilder) { return func(b *cdc.RowBuilder) { b.Int64(n) } }

func float(x float64) func(b *cdc.RowBuilder) { return func(b *cdc.RowBuilder) { b.Float64(x) } }

func days(n int32) func(b *cdc.RowBuilder) { return func(b *cdc.RowBuilder) { b.Days(n) } }

func kind(k cdc.Kind) cdc.Type { return cdc.Type{Kind: k, Nullable: true} }

func native(k cdc.Kind, name string) cdc.Type { return cdc.Type{Kind: k, Nullable: true, Native: name} }

func listOf(t cdc.Type) cdc.Type { return cdc.Type{Kind: cdc.List, Nullable: true, Elem: &t} }

func list(add ...func(b *cdc.RowBuilder)) func(b *cdc.RowBuilder) {
	var inner cdc.RowBuilder
	for _, a := range add {
		a(&inner)
	}
	built := inner.Build()
	return func(b *cdc.RowBuilder) { b.Row(built) }
}

func null(b *cdc.RowBuilder) { b.Null() }

// binaryColumns can be sent in binary form, so that a load takes COPY's binary form.
func binaryColumns() []typed {
	noon := number(1_700_000_000_123_456)
	return []typed{
		{"bool", kind(cdc.Bool), func(b *cdc.RowBuilder) { b.Bool(true) }, "boolean", "t"},
		{"int", kind(cdc.Int64), number(math.MinInt64), "bigint", "-9223372036854775808"},
		{"float", kind(cdc.Float64), float(5e-324), "double precision", "5e-324"},
		{"nan", kind(cdc.Float64), float(math.NaN()), "double precision", "NaN"},
		{"minus zero", kind(cdc.Float64), float(math.Copysign(0, -1)), "double precision", "-0"},
		{"string", kind(cdc.String), text("ä\t\n\\ 'q' \"d\" \\N 🎣"), "text", "ä\t\n\\ 'q' \"d\" \\N 🎣"},
		{"empty", kind(cdc.String), text(""), "text", ""},
		{"bytes", kind(cdc.Bytes), func(b *cdc.RowBuilder) { b.Bytes([]byte{0, 255, '\\', '\n'}) }, "bytea", `\x00ff5c0a`},
		{"timestamp", kind(cdc.Timestamp), noon, "timestamp with time zone", "2023-11-14 22:13:20.123456+00"},
		{"forever", kind(cdc.Timestamp), number(math.MaxInt64), "timestamp with time zone", "infinity"},
		{"always", kind(cdc.Timestamp), number(math.MinInt64), "timestamp with time zone", "-infinity"},
		{"date", kind(cdc.Date), days(-719_528 - 365), "date", "0002-01-01 BC"},
		{"last day", kind(cdc.Date), days(math.MaxInt32), "date", "infinity"},
		{"uuid", kind(cdc.UUID), func(b *cdc.RowBuilder) {
			b.Bytes([]byte{0xa0, 0xee, 0xbc, 0x99, 0x9c, 0xb, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0xa, 0x11})
		}, "uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{"json", kind(cdc.JSON), text(`{"b": 1.10, "a": null}`), "jsonb", `{"a": null, "b": 1.10}`},
		{"json as written", native(cdc.JSON, "json"), text(`{"b":  1.10}`), "json", `{"b":  1.10}`},
		{"int2", native(cdc.Int64, "smallint"), number(-32768), "smallint", "-32768"},
		{"int4", native(cdc.Int64, "integer"), number(2147483647), "integer", "2147483647"},
		{"float4", native(cdc.Float64, "real"), float(float64(float32(0.1))), "real", "0.1"},
		{"varchar", native(cdc.String, "character varying(5)"), text("ä  b"), "character varying(5)", "ä  b"},
		{"char", native(cdc.String, "character(6)"), text("ab    "), "character(6)", "ab    "},
		{"local", native(cdc.Timestamp, "timestamp(3) without time zone"), number(1_700_000_000_123_000), "timestamp(3) without time zone", "2023-11-14 22:13:20.123"},
		{"nothing", kind(cdc.String), null, "text", "NULL"},
	}
}

// textColumns have a type without a binary form here.
func textColumns() []typed {
	noon := number(1_700_000_000_123_456)
	pair := cdc.Type{Kind: cdc.Struct, Nullable: true, Fields: []cdc.Column{{Name: "a", Type: kind(cdc.Int64)}, {Name: "b", Type: kind(cdc.String)}}}
	return []typed{
		{"decimal", kind(cdc.Decimal), text("123456789012345678901234567890.6789000"), "numeric", "123456789012345678901234567890.6789000"},
		{"money", native(cdc.Decimal, "numeric(10,2)"), text("-1.10"), "numeric(10,2)", "-1.10"},
		{"infinite", kind(cdc.Decimal), text("-Infinity"), "numeric", "-Infinity"},
		{"mood", native(cdc.String, "mood"), text(`it's "fine"`), "mood", `it's "fine"`},
		{"moods", native(cdc.String, "mood[]"), text(`{sad,NULL}`), "mood[]", `{sad,NULL}`},
		{"domain", native(cdc.Int64, "count"), number(7), "count", "7"},
		{"elsewhere", native(cdc.String, "no_such_type"), text("kept"), "text", "kept"},
		{"domain_elsewhere", cdc.Type{Kind: cdc.String, Nullable: true, Native: "no_such_domain", Base: "character varying(5)"}, text("kept"), "character varying(5)", "kept"},
		{"interval", native(cdc.String, "interval"), text("1 year 2 mons -3 days +04:05:06.789"), "interval", "1 year 2 mons -3 days +04:05:06.789"},
		{"range", native(cdc.String, "int4range"), text("[1,5)"), "int4range", "[1,5)"},
		{"ints", listOf(kind(cdc.Int64)), list(number(1), null, number(-3)), "bigint[]", "{1,NULL,-3}"},
		{"texts", listOf(kind(cdc.String)), list(text(`a,b"\`), text("NULL"), text(""), null), "text[]", `{"a,b\"\\","NULL","",NULL}`},
		{"times", listOf(kind(cdc.Timestamp)), list(noon, number(math.MaxInt64)), "timestamp with time zone[]", `{"2023-11-14 22:13:20.123456+00",infinity}`},
		{"dates", listOf(kind(cdc.Date)), list(days(19_000), days(-800_000)), "date[]", `{2022-01-08,"0222-09-04 BC"}`},
		{"bytes", listOf(kind(cdc.Bytes)), list(func(b *cdc.RowBuilder) { b.Bytes([]byte{0, '\\'}) }), "bytea[]", `{"\\x005c"}`},
		{"flags", listOf(kind(cdc.Bool)), list(func(b *cdc.RowBuilder) { b.Bool(false) }), "boolean[]", "{f}"},
		{"struct", pair, list(number(1), text("x")), "jsonb", `{"a": 1, "b": "x"}`},
		{"structs", listOf(pair), list(list(number(1), null)), "jsonb[]", `{"{\"a\": 1, \"b\": null}"}`},
		{"lists", listOf(listOf(kind(cdc.Int64))), list(list(number(1)), list()), "jsonb", "[[1], []]"},
		{"numbers", kind(cdc.Vector), func(b *cdc.RowBuilder) { b.Vector([]float32{0.5, -1e-20}) }, "real[]", "{0.5,-1e-20}"},
	}
}

// Every type comes to a column of its own, by each of the ways in which rows are sent.
func TestEveryTypeComesAsItIs(t *testing.T) {
	for form, columns := range map[string][]typed{"binary": binaryColumns(), "text": textColumns()} {
		for way, rows := range map[string]int{"row by row": 1, "loaded": 600} {
			t.Run(form+", "+way, func(t *testing.T) {
				d := newDocs(t, 15, 0, pgvector.Options{})
				d.bed.database.Exec(t, `CREATE TYPE mood AS ENUM ('sad', 'it''s "fine"'); CREATE DOMAIN count AS int CHECK (value > 0)`)
				var add []func(b *cdc.RowBuilder)
				for _, c := range columns {
					d.columns = append(d.columns, cdc.Column{Name: c.name, Type: c.kind})
					add = append(add, c.add)
				}
				d.open()
				all := many(rows, "body")
				for i := range all {
					all[i].more = add
				}
				d.apply(all...)
				for _, c := range columns {
					name := `"` + c.name + `"`
					got := d.bed.database.Rows(t, fmt.Sprintf("SELECT %s FROM docs", name))
					got = slices.CompactFunc(got, func(a, b []string) bool { return a[0] == b[0] })
					made := d.bed.database.Text(t, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'docs'::regclass AND attname = '"+c.name+"'")
					if len(got) != 1 || got[0][0] != c.has || made != c.made {
						t.Errorf("%s: %d values, the first %q of type %s, want %q of %s", c.name, len(got), got, made, c.has, c.made)
					}
				}
			})
		}
	}
}

// What a search gives back is the row that was written, in the collection's own types.
func TestARowIsReadBackAsItWasWritten(t *testing.T) {
	d := newDocs(t, 18, 3, pgvector.Options{Index: pgvector.None})
	var add []func(b *cdc.RowBuilder)
	for _, c := range append(binaryColumns(), textColumns()...) {
		if c.kind.Kind == cdc.Vector || strings.Contains(c.made, "mood") || c.made == "count" {
			continue
		}
		switch c.name {
		case "json": // jsonb has its own order of members
			c.add = text(`{"a": null, "b": 1.10}`)
		case "bytes":
			c.name += " of " + c.made
		}
		d.columns = append(d.columns, cdc.Column{Name: c.name, Type: c.kind})
		add = append(add, c.add)
	}
	d.open()
	d.apply(row{id: 42, body: "x", more: add})
	var wrote cdc.Row
	for e := range d.effects(1, []row{{id: 42, body: "x", more: add}}) {
		wrote = e.Row
	}
	hits := d.search([]float32{1, 1, 1}, 1, nil)
	if len(hits) != 1 || hits[0].Key.Text() != "42" {
		t.Fatalf("found %v", hits)
	}
	for i, c := range d.schema().Columns[:len(d.schema().Columns)-1] {
		got, want := hits[0].Row.At(i), wrote.At(i)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.Name, diff)
		}
	}
}

// The calendar is that of the server, from its first day to its last: text and binary forms of a time are one.
func TestTextAndBinaryFormsOfATimeAreOne(t *testing.T) {
	d := newDocs(t, 15, 0, pgvector.Options{})
	d.columns = []cdc.Column{{Name: "at", Type: kind(cdc.Timestamp)}, {Name: "ats", Type: listOf(kind(cdc.Timestamp))}, {Name: "day", Type: kind(cdc.Date)}, {Name: "days", Type: listOf(kind(cdc.Date))}}
	d.open()
	rng := rand.New(rand.NewPCG(1, 1))
	const first, last = -210_866_803_200_000_000, 9_223_371_331_199_999_999 - 86_400_000_000*365 // 4714 BC and the year 294275, in microseconds
	var rows []row
	for id := int64(1); id <= 400; id++ {
		micros := rng.Int64N(last/2)*2 - rng.Int64N(-first)
		if id%2 == 0 {
			micros = rng.Int64N(4_000_000_000_000_000) - 2_000_000_000_000_000
		}
		if id%5 == 0 {
			micros = first + rng.Int64N(-first)
		}
		day := int32(rng.Int64N(3_000_000) - 2_400_000)
		rows = append(rows, row{id: id, body: "x", more: []func(b *cdc.RowBuilder){number(micros), list(number(micros)), days(day), list(days(day))}})
	}
	d.apply(rows...)
	if got := d.bed.database.Text(t, "SELECT id, at, ats[1], day, days[1] FROM docs WHERE at <> ats[1] OR day <> days[1] LIMIT 5"); got != "" {
		t.Errorf("they differ: %s", got)
	}
	if got := d.bed.database.Text(t, "SELECT count(DISTINCT at) > 350 FROM docs"); got != "t" {
		t.Error("the times are too few to tell anything")
	}
}
