package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/streamtest"
)

// Fields that the source did not send are those of the change before, also within one transaction, also
// where another key's row was replaced meanwhile (I6).
func TestScenario_11_UnchangedFields(t *testing.T) {
	unchanged := func(s *cdctest.Script, id string, other int64) cdc.Change {
		var b cdc.RowBuilder
		b.Text(id)
		b.Unchanged()
		b.Int64(other)
		return cdc.Change{Op: cdc.Update, Key: cdc.StringKey(id), After: b.Build()}
	}
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		m := newMachine(t, d.asking)
		m.start()
		d.source.Commit(d.source.Set(`{"id":"a","body":"long","other":1}`), unchanged(d.source, "a", 2))
		commitRow(d.source, "b", "text", 1)
		m.settle()
		d.source.Commit(unchanged(d.source, "b", 2), unchanged(d.source, "b", 3), unchanged(d.source, "a", 3))
		m.settle()
		m.stop()
		m.start()
		d.source.Commit(unchanged(d.source, "b", 4))
		m.settle()
		sameRows(t, d.table, map[string]string{"a": `{"id":"a","body":"long","other":3,"said":"LONG"}`,
			"b": `{"id":"b","body":"text","other":4,"said":"TEXT"}`})
		if paid := d.model.Paid(); paid["long"] != 1 || paid["text"] != 1 {
			t.Errorf("unchanged texts were paid again: %v", paid)
		}
		m.stop()
	})
}

// A row that comes from another key takes what was not sent from the row that stood there at that moment: what the source
// holds by now may be of a later change, or another row (I11).
func TestScenario_11_RowsThatMove(t *testing.T) {
	move := func(from, to string, other int64) []cdc.Change {
		var b cdc.RowBuilder
		b.Text(to)
		b.Unchanged()
		b.Int64(other)
		return []cdc.Change{{Op: cdc.Insert, Key: cdc.StringKey(to), From: cdc.StringKey(from), After: b.Build()},
			{Op: cdc.Delete, Key: cdc.StringKey(from)}}
	}
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		m := newMachine(t, d.asking)
		for id, body := range map[string]string{"a": "first", "b": "second", "c": "third", "d": "fourth"} {
			commitRow(d.source, id, body, 1)
		}
		m.start()
		m.settle()
		m.stop()
		m.start() // from here on the state alone knows
		d.source.Commit(move("a", "a2", 2)...)
		d.source.Commit(slices.Concat([]cdc.Change{d.source.Set(`{"id":"b","body":"later","other":1}`)}, move("b", "b2", 3),
			[]cdc.Change{d.source.Set(`{"id":"b","body":"another row","other":9}`)})...)
		d.source.Commit(slices.Concat(move("c", "c2", 2), move("c2", "c3", 3))...)
		d.source.Commit(move("d", "d2", 2)...)
		d.source.Commit(d.source.Set(`{"id":"d2","body":"changed behind its move","other":3}`))
		m.settle()
		d.source.Commit(slices.Concat(move("a2", "a3", 4), move("a3", "a", 5))...)
		m.settle()
		sameRows(t, d.table, map[string]string{
			"a":  `{"id":"a","body":"first","other":5,"said":"FIRST"}`,
			"b":  `{"id":"b","body":"another row","other":9,"said":"ANOTHER ROW"}`,
			"b2": `{"id":"b2","body":"later","other":3,"said":"LATER"}`,
			"c3": `{"id":"c3","body":"third","other":3,"said":"THIRD"}`,
			"d2": `{"id":"d2","body":"changed behind its move","other":3,"said":"CHANGED BEHIND ITS MOVE"}`,
		})
		if paid := d.model.Paid(); paid["first"] != 1 || paid["third"] != 1 || paid["second"] != 1 {
			t.Errorf("texts that moved were paid again: %v", paid)
		}
		m.stop()
	})
}

// Later logic reads a column that nothing has read before: the rows are read again, at no call for what is
// known (I6, I7).
func TestScenario_11_LaterLogicReadsMore(t *testing.T) {
	for _, rescans := range []bool{true, false} {
		t.Run(fmt.Sprintf("source rescans %v", rescans), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDirect()
				d.options.Columns = []string{"id", "said"}
				m := newMachine(t, func(dead func() bool) *stream.Flow {
					f := stream.New("direct")
					if rescans {
						f.AddSource("rows", d.source)
					} else {
						f.AddSource("rows", forgetful{d.source})
					}
					f.AddStep("said", "rows", streamtest.Ask{Model: d.model, Column: "body"}, d.step)
					f.AddSink("table", []string{"said"}, d.table.Sink().Until(dead), d.options)
					return f
				})
				commitRow(d.source, "a", "x", 1)
				commitRow(d.source, "b", "y", 2)
				m.start()
				m.stop()
				commitDelete(d.source, "b")
				commitRow(d.source, "c", "x", 3)
				d.options.Columns = []string{"id", "said", "other"}
				m.start()
				sameRows(t, d.table, map[string]string{"a": `{"id":"a","said":"X","other":1}`, "c": `{"id":"c","said":"X","other":3}`})
				if diff := cmp.Diff(map[string]int{"x": 1, "y": 1}, d.model.Paid()); diff != "" {
					t.Errorf("calls differ (-want +got):\n%s", diff)
				}
				m.stop()
			})
		})
	}
}

// forgetful is a source that cannot read its rows again.
type forgetful struct{ script *cdctest.Script }

func (f forgetful) Collections(ctx context.Context) ([]cdc.Collection, error) {
	return f.script.Collections(ctx)
}

func (f forgetful) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	if start.Rescan {
		return fmt.Errorf("a source that cannot rescan is asked to")
	}
	return f.script.Run(ctx, start, out)
}

// Results that nothing refers to are swept while rows that need them come back, processes die and copies
// are taken: a hit is never on what is gone (I7), and the copy is as good as the original.
func TestScenario_14_SweepsBesideHits(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed)
				m := newMachine(t, w.flow)
				m.options = engine.Options{SweepEvery: time.Nanosecond, SweepGrace: time.Nanosecond}
				for round := range 12 {
					m.start()
					w.random(10)
					m.pass(time.Second) // a sweep runs whenever it is quiet
					w.verify("live")
					if round%4 == 3 {
						copied := w.copyOf(m, fmt.Sprintf("copy%d", round))
						pieces, plain := w.want()
						sameRows(t, copied.pieces, pieces)
						sameRows(t, copied.plain, plain)
					}
					if round%3 == 2 {
						m.dieAt("", 1+w.rng.IntN(12), 50)
						w.random(10)
						m.pass(time.Second)
						m.crash = nil
						if m.dead.Load() {
							m.bury()
							continue
						}
					}
					m.stop()
				}
				m.start()
				m.pass(time.Second)
				w.verify("in the end")
				m.stop()
			})
		})
	}
}

// copyOf checkpoints a running machine and runs the copy over targets of its own.
func (w *world) copyOf(m *machine, dir string) *world {
	w.t.Helper()
	if err := m.db.Checkpoint(dir); err != nil {
		w.t.Fatal(err)
	}
	copied := &world{t: w.t, rng: w.rng, source: w.source, model: streamtest.NewModel("m", 9), pieces: streamtest.NewTable(),
		plain: streamtest.NewTable(), rows: w.rows, logic: w.logic, seen: map[string]int{}}
	n := newMachine(w.t, copied.flow)
	n.fs, n.dir = m.fs, dir
	n.start()
	n.pass(time.Second)
	n.stop()
	return copied
}

// Inserting a paragraph at the top of a long document writes that one row and asks one call, although the
// target has every column (I7).
func TestScenario_15_AParagraphAtTheTop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		op, err := operators.NewSplit(operators.SplitConfig{Text: "row.body", By: "markdown", Size: 200})
		if err != nil {
			t.Fatal(err)
		}
		m := newMachine(t, func(dead func() bool) *stream.Flow {
			f := stream.New("direct")
			f.AddSource("rows", d.source)
			f.AddStep("chunks", "rows", op, d.step)
			f.AddStep("said", "chunks", streamtest.Ask{Model: d.model, Column: "chunk"}, d.step)
			f.AddSink("table", []string{"said"}, d.table.Sink().Until(dead), d.options)
			return f
		})
		var paragraphs []string
		for i := range 60 {
			paragraphs = append(paragraphs, fmt.Sprintf("## Part %d\n\n%s", i, strings.Repeat(fmt.Sprintf("word%d and ", i), 12)))
		}
		text := strings.Join(paragraphs, "\n\n")
		commitRow(d.source, "doc", text, 0)
		m.start()
		before, _ := d.table.Writes()
		paid := len(d.model.Paid())
		if before < 60 {
			t.Fatalf("the document has %d chunks, too few to prove anything", before)
		}
		commitRow(d.source, "doc", "## New\n\nA paragraph that was not there.\n\n"+text, 0)
		m.settle()
		after, _ := d.table.Writes()
		if after-before != 1 || len(d.model.Paid())-paid != 1 {
			t.Errorf("%d rows were written at %d calls, want 1 and 1", after-before, len(d.model.Paid())-paid)
		}
		m.stop()
	})
}

// Live work goes on under a backfill and the backfill under live work: both make progress (I9).
func TestScenario_16_BackfillAndLiveWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		m := newMachine(t, w.flow)
		var changes []cdc.Change
		for i := range 9000 {
			id, body := fmt.Sprintf("r%04d", i), fmt.Sprintf("x%d", i%50)
			w.rows[id] = row{body: body}
			changes = append(changes, w.source.Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":0}`, id, body)))
		}
		for part := range slices.Chunk(changes, 1000) {
			w.source.Commit(part...)
		}
		m.start()
		m.stop()
		w.logic.columns = []string{"piece", "said"}
		epochs, seen := 0, 0 // seen: the epoch before which the live row came to its target
		m.crash = func(point string) {
			if point != "commit.after" {
				return
			}
			epochs++
			if epochs < 4 { // the backfill takes at least as many slices: a live row arrives behind the first
				w.rows["live"] = row{body: fmt.Sprintf("now%d", epochs)}
				w.source.Commit(w.source.Set(fmt.Sprintf(`{"id":"live","body":"now%d","other":0}`, epochs)))
			}
			if seen == 0 && w.plain.Rows()["live"] != "" {
				seen = epochs
			}
		}
		m.start()
		w.verify("after both")
		if epochs < 5 {
			t.Errorf("the backfill took %d epochs: no live work can have come between", epochs)
		}
		if seen == 0 || seen == epochs {
			t.Errorf("the live row came after the backfill, in epoch %d of %d", seen, epochs)
		}
		w.paidAtMost(1)
		m.stop()
	})
}

// Steps are renamed, removed and added again, and swap names: nothing is paid twice and every target ends
// as the plan says (I6, I7).
func TestScenario_17_StepsChangeNames(t *testing.T) {
	type step struct{ name, was, column string }
	plans := []struct {
		name  string
		steps []step
	}{
		{"two steps", []step{{"first", "", "body"}, {"second", "", "id"}}},
		{"one is renamed", []step{{"primary", "first", "body"}, {"second", "", "id"}}},
		{"they swap names", []step{{"second", "primary", "body"}, {"primary", "second", "id"}}},
		{"and swap back without saying so", []step{{"primary", "", "body"}, {"second", "", "id"}}},
		{"one is removed", []step{{"primary", "", "body"}}},
		{"and added again", []step{{"primary", "", "body"}, {"second", "", "id"}}},
		{"under the other's old name", []step{{"second", "", "body"}, {"first", "", "id"}}},
	}
	synctest.Test(t, func(t *testing.T) {
		source, model := newSource(), streamtest.NewModel("m", 1)
		tables := map[string]*streamtest.Table{"body": streamtest.NewTable(), "id": streamtest.NewTable()}
		var steps []step
		m := newMachine(t, func(dead func() bool) *stream.Flow {
			f := stream.New("named")
			f.AddSource("rows", source)
			for _, s := range steps {
				f.AddStep(s.name, "rows", streamtest.Ask{Model: model, Column: s.column, Ref: true}, stream.StepOptions{Was: s.was})
				f.AddSink("of-"+s.column, []string{s.name}, tables[s.column].Sink().Until(dead), stream.SinkOptions{Columns: []string{"said"}})
			}
			return f
		})
		for i := range 20 {
			commitRow(source, fmt.Sprintf("k%02d", i), fmt.Sprintf("b%d", i%3), int64(i))
		}
		for n, p := range plans {
			steps = p.steps
			m.start()
			commitDelete(source, fmt.Sprintf("k%02d", n))
			m.settle()
			for _, s := range steps {
				want := map[string]string{}
				for i := n + 1; i < 20; i++ {
					said := map[string]string{"body": fmt.Sprintf("B%d", i%3), "id": fmt.Sprintf("K%02d", i)}[s.column]
					want[fmt.Sprintf("k%02d", i)] = fmt.Sprintf(`{"said":%q}`, said)
				}
				if diff := cmp.Diff(want, tables[s.column].Rows()); diff != "" {
					t.Fatalf("%s: the target of %s differs (-want +got):\n%s", p.name, s.column, diff)
				}
			}
			for input, times := range model.Paid() {
				if times > 1 {
					t.Errorf("%s: %s was paid %d times", p.name, input, times)
				}
			}
			m.stop()
		}
	})
}
