package engine_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// A source is renamed, another takes its place, it leaves and comes back while its rows went on changing:
// the target holds what its present source has, whatever wrote the same keys before (I6), and no text is
// paid twice (I7).
func TestSourcesChangePlaces(t *testing.T) {
	type plan struct {
		sources map[string]string // names in the flow, and which of the two histories they read
		from    string
	}
	only := func(name, history string) plan { return plan{map[string]string{name: history}, name} }
	both := func(from string) plan { return plan{map[string]string{"left": "a", "right": "b"}, from} }
	for _, c := range []struct {
		name  string
		plans []plan
	}{
		{"one is renamed, and back", []plan{only("rows", "a"), only("papers", "a"), only("rows", "a")}},
		{"one takes the other's place", []plan{only("left", "a"), only("right", "b"), only("left", "a")}},
		{"the target turns to the other one", []plan{both("left"), both("right"), both("left")}},
		{"one is added and taken away", []plan{only("left", "a"), both("left"), both("right"), only("right", "b")}},
		{"one leaves and comes back", []plan{both("left"), only("right", "b"), both("left")}},
	} {
		for _, asks := range []bool{false, true} {
			for _, dies := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, asking a model %v, dying on the way %v", c.name, asks, dies), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						histories := map[string]*cdctest.Script{"a": newSource(), "b": newSource()}
						want := map[string]map[string]string{"a": {}, "b": {}}
						put := func(history, id, body string) {
							commitRow(histories[history], id, body, 1)
							want[history][id] = fmt.Sprintf(`{"id":%q,"body":%q,"other":1}`, id, body)
							if asks {
								want[history][id] = fmt.Sprintf(`{"id":%q,"body":%q}`, id, body)
							}
						}
						for i := range 12 {
							put("a", fmt.Sprintf("k%02d", i), "of a")
							put("b", fmt.Sprintf("k%02d", i+6), fmt.Sprintf("of b %d", i%2*(i+1)))
						}
						var now plan
						model, table := streamtest.NewModel("m", 1), streamtest.NewTable()
						m := newMachine(t, func(dead func() bool) *stream.Flow {
							f := stream.New("changing")
							for name, history := range now.sources {
								f.AddSource(name, histories[history])
							}
							from, options := now.from, stream.SinkOptions{}
							if asks {
								f.AddStep("said", from, streamtest.Ask{Model: model, Column: "body", Ref: true}, stream.StepOptions{})
								from, options.Columns = "said", []string{"id", "body"}
							}
							f.AddSink("table", []string{from}, table.Sink().Until(dead), options)
							return f
						})
						for n, p := range c.plans {
							now = p
							for _, history := range []string{"a", "b"} {
								put(history, fmt.Sprintf("k%02d", n), fmt.Sprintf("%s changed %d", history, n))
								id := fmt.Sprintf("k%02d", 17-n)
								if history == "a" {
									id = fmt.Sprintf("k%02d", 11-n)
								}
								commitDelete(histories[history], id)
								delete(want[history], id)
							}
							if dies && n > 0 {
								m.dieAt("", 4, 50)
								if err := m.boot(m.options); err != nil {
									t.Fatal(err)
								}
								m.bury()
								m.crash = nil
							}
							if err := m.once(); err != nil {
								t.Fatal(err)
							}
							sameRows(t, table, want[p.sources[p.from]])
						}
						for text, times := range model.Paid() {
							if times > 1 && !dies {
								t.Errorf("%q was paid %d times", text, times)
							}
						}
					})
				})
			}
		}
	}
}
