package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/streamtest"
)

// swapping is a flow with an embedded index that is swapped when its model changes. The text of a plan is
// the name of its model.
type swapping struct {
	source *cdctest.Script
	models map[string]*streamtest.Model
	model  string
	dir    string
	face   func(*streamtest.Model) stream.Model // what the flow sees of a model; nil: the model
}

func (s *swapping) restore(ctx context.Context, text string) (*stream.Plan, error) {
	return s.flow(text).Plan(ctx)
}

func (s *swapping) flow(model string) *stream.Flow {
	var asked stream.Model = s.models[model]
	if s.face != nil {
		asked = s.face(s.models[model])
	}
	f := stream.New("swapping")
	f.AddSource("rows", s.source)
	f.AddStep("vectors", "rows", pointing{streamtest.Ask{Model: asked, Column: "body", Ref: true}}, stream.StepOptions{})
	f.AddSink("index", []string{"vectors"}, vector.NewSink(vector.SinkOptions{Path: s.dir}), stream.SinkOptions{Columns: []string{"id"}, Swap: true})
	return f
}

// pointing asks a model and takes the eight bytes of the answer for a vector of two numbers.
type pointing struct{ streamtest.Ask }

func (p pointing) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	b, err := p.Ask.Bind(in, func(name string) bool { return keep(name) || name == "said" && keep("vector") })
	if err != nil {
		return nil, err
	}
	schema := *b.Schema()
	said := schema.Index("said")
	if said < 0 {
		return b, nil
	}
	schema.Columns = slices.Clone(schema.Columns)
	schema.Columns[said] = cdc.Column{Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 2, Nullable: true}}
	return &boundPointing{Caller: b.(stream.Caller), schema: &schema}, nil
}

type boundPointing struct {
	stream.Caller
	schema *cdc.Schema
}

func (b *boundPointing) Schema() *cdc.Schema { return b.schema }

// A swap of models takes long: rows that are deleted meanwhile leave the old index at once, questions go to
// the old model, rows that change meanwhile end under the new one, and a crash at any durable step resumes (I6).
func TestScenario_13_AModelSwapThatTakesHours(t *testing.T) {
	for killAt := range 14 {
		t.Run(fmt.Sprintf("killed at durable step %d", killAt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &swapping{source: newSource(), dir: t.TempDir(), model: "old",
					models: map[string]*streamtest.Model{"old": streamtest.NewModel("old", 1), "new": streamtest.NewModel("new", 1)}}
				m := newMachine(t, func(func() bool) *stream.Flow { return s.flow(s.model) })
				m.options.Text = "old"
				m.options.Restore = s.restore
				for i := range 20 {
					commitRow(s.source, fmt.Sprintf("k%02d", i), fmt.Sprintf("%cxxx%cyyy", 'a'+i, 'b'+i), 0)
				}
				m.start()
				wantIndex(t, m, "old", 20)
				m.stop()

				s.model, m.options.Text = "new", "new"
				s.models["new"].Down(true)
				m.start()
				wantIndex(t, m, "old", 20)
				commitDelete(s.source, "k03")
				commitRow(s.source, "k04", "zzzzyyyy", 0)
				m.pass(time.Hour)
				wantIndex(t, m, "old", 19)
				if st := m.engine.Status().Sinks["index"]; st.Successor == nil || *st.Successor != (engine.Successor{Rows: 0, Of: 19}) {
					t.Errorf("while its model is down the successor is shown as %+v", st.Successor)
				}

				if killAt > 0 {
					m.dieAt("", killAt, 50)
				}
				s.models["new"].Down(false)
				m.pass(time.Minute)
				if m.crash = nil; m.dead.Load() {
					m.bury()
					m.start()
					m.pass(time.Minute)
				}
				wantIndex(t, m, "new", 19)
				commitDelete(s.source, "k05")
				m.settle()
				wantIndex(t, m, "new", 18)
				if st := m.engine.Status().Sinks["index"]; st.Building || st.Successor != nil {
					t.Errorf("the swap is over and status says %+v", st)
				}
				m.stop()
				m.start()
				wantIndex(t, m, "new", 18)
				m.stop()
				for input, n := range s.models["old"].Paid() {
					if n > 1 {
						t.Errorf("the old model was paid %d times for %s", n, input)
					}
				}
			})
		})
	}
}

// wantIndex asks the index that serves for everything, and says how many rows and of which model they are.
func wantIndex(t testing.TB, m *machine, model string, rows int) {
	t.Helper()
	index, err := m.engine.Index("index")
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	if index.Model.Name() != model {
		t.Fatalf("questions go to the model %s, want %s", index.Model.Name(), model)
	}
	hits, err := index.Search(context.Background(), stream.Query{Vector: []float32{1, 1}, K: 100})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, h := range hits {
		got[h.Key.Text()] = true
	}
	if len(hits) != rows || len(got) != rows {
		t.Fatalf("the index of the %s model has %d rows, %d of them different, want %d", model, len(hits), len(got), rows)
	}
}

// An owner whose pinned version has switched goes on to its newest one, also when the process dies between
// the two (I2, I4).
func TestAPinnedVersionIsFollowedByTheNewest(t *testing.T) {
	for killAt := range 12 {
		t.Run(fmt.Sprintf("killed at durable step %d", killAt), func(t *testing.T) {
			scene(t, func(t *testing.T, w *world, m *machine) {
				w.model.Down(true)
				m.start()
				for v := range 5 {
					w.put("doc", fmt.Sprintf("v%d", v), 0) // the third overtaking ends it: a version is pinned
					m.settle()
				}
				if killAt > 0 {
					m.dieAt("", killAt, 0)
				}
				w.model.Down(false)
				m.settle()
				if m.crash = nil; m.dead.Load() {
					m.bury()
					m.start()
				}
				w.verify("in the end")
				m.stop()
			})
		})
	}
}

// A refusal of a row that has changed meanwhile does not reject the newer row (I6).
func TestALateRefusalIsOfTheRowThatItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		d.options.Columns = []string{"body"}
		m := newMachine(t, d.asking)
		d.table.Reject(func(_ string, r cdc.Row) bool { return r.At(0).Text() == "bad" })
		m.start()
		d.table.Slow(time.Second)
		commitRow(d.source, "a", "bad", 0)
		m.settle()
		commitRow(d.source, "a", "good", 0)
		m.pass(time.Minute)
		sameRows(t, d.table, map[string]string{"a": `{"body":"good"}`})
		wantLetters(t, m)
		m.stop()
	})
}

// The keys of a target before and after a change of its key meet: no row is lost to the removal of another's
// old place (I6).
func TestScenario_08_OldAndNewKeysMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 5000
		d := newDirect()
		d.options.Columns = []string{"id"}
		m := newMachine(t, d.flow)
		var changes []cdc.Change
		want, keyed := map[string]string{}, map[string]string{}
		for i := range n {
			id, body := fmt.Sprintf("k%04d", i), fmt.Sprintf("k%04d", n-1-i)
			changes = append(changes, d.source.Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":0}`, id, body)))
			want[id] = fmt.Sprintf(`{"id":%q}`, id)
			keyed[body] = fmt.Sprintf(`{"id":%q}`, id)
		}
		for part := range slices.Chunk(changes, 500) {
			d.source.Commit(part...)
		}
		for _, at := range []struct {
			key  []string
			want map[string]string
		}{{nil, want}, {[]string{"body"}, keyed}, {nil, want}} {
			d.options.Key = at.key
			if err := m.once(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(at.want, d.table.Rows()); diff != "" {
				t.Fatalf("with key %v the target differs (-want +got):\n%.2000s", at.key, diff)
			}
		}
	})
}
