package operators_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
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

// A sink that takes a column which nobody names gets it beside the computed ones, as it is; a computed column
// of that name goes before it.
func TestAMapPassesOnWhatItsSinkTakes(t *testing.T) {
	in := files()
	config := operators.MapConfig{Columns: []operators.MapColumn{{Name: "large", Expression: "row.size > 10"}},
		Carry: func(c cdc.Column) bool { return c.Name == "text" }}
	op, err := operators.NewMap(config)
	b := bind(t, op, err, in)
	if diff := cmp.Diff([]string{`{"path":"a","text":"x","large":false}`}, apply(t, b, row(t, in, `{"path": "a", "text": "x", "size": 1}`))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"size"}, b.Reads()); diff != "" {
		t.Errorf("what is passed on is looked into (-want +got):\n%s", diff)
	}
	config.Columns = append(config.Columns, operators.MapColumn{Name: "text", Expression: `"of the flow"`})
	op, err = operators.NewMap(config)
	if diff := cmp.Diff([]string{`{"path":"a","large":false,"text":"of the flow"}`}, apply(t, bind(t, op, err, in), row(t, in, `{"path": "a", "text": "x", "size": 1}`))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
