package operators_test

import (
	"slices"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

func column(name, typ string) cdc.Column {
	t, err := cdc.ParseType(typ)
	if err != nil {
		panic(err)
	}
	return cdc.Column{Name: name, Type: t}
}

// files has the columns of a files source.
func files() *cdc.Schema {
	return &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{column("path", "string"), column("text", "string?"),
		column("size", "int"), column("media_type", "string?")}}
}

func row(t testing.TB, s *cdc.Schema, object string) cdc.Row {
	t.Helper()
	r, err := cdc.RowFromJSON(s, []byte(object))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keeping accepts the columns named; none named: all.
func keeping(names ...string) func(string) bool {
	return func(c string) bool { return len(names) == 0 || slices.Contains(names, c) }
}

func bind(t testing.TB, op stream.Operator, err error, in *cdc.Schema, names ...string) stream.Bound {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b, err := op.Bind(in, keeping(names...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// apply maps a row and writes what comes out as JSON, one row an element.
func apply(t testing.TB, b stream.Bound, in cdc.Row) []string {
	t.Helper()
	var out stream.Rows
	if err := b.(stream.Mapper).Map(in, &out); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for i := range out.Len() {
		if err := cdc.CheckRow(out.At(i)); err != nil || out.At(i).Len() != len(b.Schema().Columns) {
			t.Fatalf("row %d does not fit %s: %v", i, b.Schema(), err)
		}
		rows = append(rows, object(b.Schema(), out.At(i)))
	}
	return rows
}

func object(s *cdc.Schema, r cdc.Row) string {
	return "{" + string(cdc.AppendFieldsJSON(nil, s.Columns, r)) + "}"
}

// fault is what a table says of one problem.
type fault struct {
	code, field string
	offset      int
	hint        string
}

func faultsOf(err error) []fault {
	var all []fault
	for _, p := range stream.Problems(err) {
		all = append(all, fault{p.Code, p.Field, p.Offset, p.Hint})
	}
	return all
}

// build makes an operator and binds it to files; the error is that of either.
func build(op stream.Operator, err error) error {
	if err == nil {
		_, err = op.Bind(files(), keeping())
	}
	return err
}
