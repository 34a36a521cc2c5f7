package operators_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

func summary() operators.MapConfig {
	return operators.MapConfig{Columns: []operators.MapColumn{{Name: "body", Expression: "row.text"},
		{Name: "path", Expression: "row.path"}, {Name: "large", Expression: "row.size > 10"},
		{Name: "label", Expression: `row.?media_type.orValue("?") + " " + row.path`}}}
}

func TestMapYieldsTheKeyAndItsColumns(t *testing.T) {
	in := files()
	op, err := operators.NewMap(summary())
	for _, c := range []struct {
		name         string
		keep         []string
		schema, want string
		reads        []string
	}{
		{"every column", nil, "{path* string, body string?, large bool, label string}",
			`{"path":"a","body":"x","large":false,"label":"? a"}`, []string{"path", "text", "size", "media_type"}},
		{"what is read", []string{"large"}, "{path* string, large bool}", `{"path":"a","large":false}`, []string{"size"}},
		{"nothing but the key", []string{"none"}, "{path* string}", `{"path":"a"}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bind(t, op, err, in, c.keep...)
			if got := b.Schema().String(); got != c.schema {
				t.Errorf("schema %s, want %s", got, c.schema)
			}
			if diff := cmp.Diff(c.reads, b.Reads()); diff != "" {
				t.Errorf("reads (-want +got):\n%s", diff)
			}
			got := apply(t, b, row(t, in, `{"path": "a", "text": "x", "size": 1}`))
			if diff := cmp.Diff([]string{c.want}, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatAMapNamesIsNotOnDemand(t *testing.T) {
	op, err := operators.NewMap(summary())
	s, ok := bind(t, op, err, files()).(stream.Selective)
	if !ok || len(s.OnDemand()) != 0 {
		t.Error("a map leaves columns on demand")
	}
}
