package console

import (
	"testing"

	"github.com/freshet/freshet/stream"
)

type (
	table  struct{ stream.Sink }
	around struct{ stream.Sink }
)

func (table) Kind() string { return "postgres" }

func (a around) Unwrap() stream.Sink { return a.Sink }

func TestNodesAreCalledByTheirKindOrElseByTheirPackage(t *testing.T) {
	g := GraphOf(&stream.Plan{Sinks: []*stream.SinkNode{{Name: "a", Sink: table{}}, {Name: "b", Sink: around{table{}}}, {Name: "c", Sink: &struct{ around }{around{table{}}}},
		{Name: "d", Sink: around{new(plain)}}}})
	for i, want := range []string{"postgres", "postgres", "postgres", "console"} {
		if got := g.Nodes[i].Does; got != want {
			t.Errorf("sink %s is called %q, want %q", g.Nodes[i].Name, got, want)
		}
	}
}

type plain struct{ stream.Sink }
