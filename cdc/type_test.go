package cdc_test

import (
	"errors"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestTypesReadAsTheyAreWritten(t *testing.T) {
	for _, text := range []string{"string", "int?", "float", "bool", "decimal", "bytes", "timestamp?", "date", "uuid", "json",
		"vector", "vector(384)?", "[string?]", "[[int]?]?", "enum(low, high)", "enum(a)?"} {
		typ, err := cdc.ParseType(text)
		if text == "vector" {
			if err == nil {
				t.Error("a vector without a length is taken")
			}
			continue
		}
		if err != nil || typ.String() != text {
			t.Errorf("%s is read as %s: %v", text, typ, err)
		}
	}
	for _, text := range []string{"", "strin", "vector(0)", "vector(-1)", "vector(x)", "enum()", "enum(a,,b)", "[]", "[int", "list", "struct", "Int"} {
		_, err := cdc.ParseType(text)
		if e, ok := errors.AsType[*cdc.TypeError](err); !ok || e.Hint == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTypesAreEqualWhenTheyAllowTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawType(t, 2), drawType(t, 2)
		if !a.Equal(a) || a.Equal(b) != b.Equal(a) {
			t.Fatalf("%s and %s", a, b)
		}
		if a.Equal(b) != (a.String() == b.String()) {
			t.Fatalf("%s and %s are equal: %v", a, b, a.Equal(b))
		}
		if a.OrNull().NotNull().Nullable || !a.NotNull().OrNull().Nullable || a.OrNull().Equal(a.NotNull()) {
			t.Fatalf("null of %s", a)
		}
	})
}

func docs() *cdc.Schema {
	return &cdc.Schema{
		Columns: []cdc.Column{
			{Name: "body", Type: cdc.Type{Kind: cdc.String, Nullable: true}},
			{Name: "lang", Type: cdc.Type{Kind: cdc.String}},
			{Name: "id", Type: cdc.Type{Kind: cdc.Int64}},
			{Name: "at", Type: cdc.Type{Kind: cdc.Timestamp}},
		},
		Key: []int{2, 1},
	}
}

func TestSchemas(t *testing.T) {
	s := docs()
	if got := s.String(); got != "{body string?, lang* string, id* int, at timestamp}" {
		t.Error(got)
	}
	if s.Index("at") != 3 || s.Index("nothing") != -1 || !s.IsKey(1) || s.IsKey(0) {
		t.Error("columns are not found")
	}
	if diff := cmp.Diff([]cdc.Type{{Kind: cdc.Int64}, {Kind: cdc.String}}, s.KeyTypes()); diff != "" {
		t.Error(diff)
	}
	part, from := s.Select(func(name string) bool { return name == "at" })
	if part.String() != "{lang* string, id* int, at timestamp}" || !cmp.Equal(from, []int{1, 2, 3}) || !cmp.Equal(part.Key, []int{1, 0}) {
		t.Errorf("%s from %v with the key %v", part, from, part.Key)
	}
	for name, change := range map[string]func(*cdc.Schema){
		"a name": func(s *cdc.Schema) { s.Columns[0].Name = "text" }, "a type": func(s *cdc.Schema) { s.Columns[0].Type = cdc.Type{Kind: cdc.JSON} },
		"the order of the key": func(s *cdc.Schema) { s.Key = []int{1, 2} }, "a column less": func(s *cdc.Schema) { s.Columns = s.Columns[:3] },
	} {
		other := docs()
		if !s.Equal(other) {
			t.Fatal("a copy differs")
		}
		if change(other); s.Equal(other) {
			t.Errorf("%s makes no difference", name)
		}
	}
}

func TestASelectedKeyIsTheKey(t *testing.T) {
	s := docs()
	row, err := cdc.RowFromJSON(s, []byte(`{"body": null, "lang": "en", "id": 7, "at": "2024-01-01T00:00:00Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	part, from := s.Select(func(string) bool { return false })
	var b cdc.RowBuilder
	small := cdc.Row(b.Project(nil, row, from))
	want, err1 := s.AppendKey(nil, row)
	got, err2 := part.AppendKey(nil, small)
	if err := errors.Join(err1, err2); err != nil || string(got) != string(want) {
		t.Errorf("%x is not %x: %v", got, want, err)
	}
	if cdc.Key(got).Text() != "7/en" {
		t.Error(cdc.Key(got).Text())
	}
}
