package expr_test

import (
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream/expr"
)

func column(name, typ string) cdc.Column {
	t, err := cdc.ParseType(typ)
	if err != nil {
		panic(err)
	}
	return cdc.Column{Name: name, Type: t}
}

// article has a column of every kind, most of them twice: one that is never null and one that may be.
func article() *cdc.Schema {
	place := cdc.Type{Kind: cdc.Struct, Nullable: true,
		Fields: []cdc.Column{column("city", "string?"), column("zip", "int")}}
	return &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{
		column("path", "string"), column("text", "string?"), column("size", "int"), column("rank", "int?"),
		column("score", "float"), column("live", "bool"), column("flag", "bool?"), column("price", "decimal"),
		column("id", "uuid"), column("raw", "bytes"), column("made", "timestamp"), column("due", "date?"),
		column("doc", "json?"), column("vector", "vector(2)?"), column("tags", "[string]?"),
		column("names", "[string?]"), {Name: "place", Type: place}, column("mood", "enum(good, bad)"),
	}}
}

const articleJSON = `{"path": "a/b.md", "text": "The quick brown fox", "size": 19, "rank": 3, "score": 2.5, "live": true,
	"flag": false, "price": "12.50", "id": "0f8fad5b-d9cb-469f-a165-70867728950e", "raw": "aGk=",
	"made": "2024-05-06T07:08:09.123456Z", "due": "2024-12-31", "doc": {"n": 9007199254740993, "x": 1.5, "list": [1, "two", null]},
	"vector": [0.5, -1], "tags": ["red", "blue"], "names": ["ann", null], "place": {"city": "Oslo", "zip": 150}, "mood": "good"}`

const bareJSON = `{"path": "c.md", "text": null, "size": 0, "rank": null, "score": 0, "live": false, "flag": null, "price": "0",
	"id": "00000000-0000-0000-0000-000000000000", "raw": "", "made": "1970-01-01T00:00:00Z", "due": null, "doc": null,
	"vector": null, "tags": null, "names": [], "place": null, "mood": "bad"}`

func row(t testing.TB, object string) cdc.Row {
	t.Helper()
	r, err := cdc.RowFromJSON(article(), []byte(object))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func compile(t testing.TB, text string, want ...cdc.Kind) *expr.Program {
	t.Helper()
	p, err := expr.Compile(text, article(), expr.Options{Want: want})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

// result evaluates to JSON, the form in which the tables write results.
func result(p *expr.Program, r cdc.Row) (string, error) {
	v, err := p.Eval(r)
	if err != nil {
		return "", err
	}
	t := p.Type()
	return string(cdc.AppendJSON(nil, &t, v)), nil
}

func list(names []string) string { return strings.Join(names, " ") }
