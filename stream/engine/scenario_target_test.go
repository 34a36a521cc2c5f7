package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/streamtest"
)

// direct is a flow from one source into one table, with or without a model between, whose options a test
// may change from run to run.
type direct struct {
	source  *cdctest.Script
	model   *streamtest.Model
	table   *streamtest.Table
	step    stream.StepOptions
	options stream.SinkOptions
}

func newDirect() *direct {
	return &direct{source: newSource(), model: streamtest.NewModel("m", 1), table: streamtest.NewTable()}
}

// flow is source → table.
func (d *direct) flow(dead func() bool) *stream.Flow {
	f := stream.New("direct")
	f.AddSource("rows", d.source)
	f.AddSink("table", []string{"rows"}, d.table.Sink().Until(dead), d.options)
	return f
}

// asking is source → model → table.
func (d *direct) asking(dead func() bool) *stream.Flow {
	f := stream.New("direct")
	f.AddSource("rows", d.source)
	f.AddStep("said", "rows", streamtest.Ask{Model: d.model, Column: "body"}, d.step)
	f.AddSink("table", []string{"said"}, d.table.Sink().Until(dead), d.options)
	return f
}

// cutting is source → cut → table.
func (d *direct) cutting(dead func() bool) *stream.Flow {
	f := stream.New("direct")
	f.AddSource("rows", d.source)
	f.AddStep("cut", "rows", streamtest.Cut{}, d.step)
	f.AddSink("table", []string{"cut"}, d.table.Sink().Until(dead), d.options)
	return f
}

// The key of a target is chosen, changed and given up again: no row stays under an old key (I6).
func TestScenario_08_TheKeyOfATargetChanges(t *testing.T) {
	const a, b, c = `{"id":"a","body":"x","other":1}`, `{"id":"b","body":"y","other":2}`, `{"id":"c","body":"z","other":2}`
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		m := newMachine(t, d.flow)
		commitRow(d.source, "a", "x", 1)
		commitRow(d.source, "b", "y", 2)
		commitRow(d.source, "c", "z", 2)
		for _, at := range []struct {
			key  []string
			want map[string]string
		}{
			{nil, map[string]string{"a": a, "b": b, "c": c}},
			{[]string{"other"}, map[string]string{"1": a, "2": b}},
			{[]string{"body"}, map[string]string{"x": a, "y": b, "z": c}},
			{[]string{"body", "other"}, map[string]string{"x/1": a, "y/2": b, "z/2": c}},
			{nil, map[string]string{"a": a, "b": b, "c": c}},
		} {
			d.options.Key = at.key
			if err := m.once(); err != nil {
				t.Fatal(err)
			}
			sameRows(t, d.table, at.want)
		}
	})
}

// Two owners share a key of the target and one leaves: the other is shown, whatever the order (I6).
func TestScenario_08_OneOfTwoOwnersLeaves(t *testing.T) {
	const a, b = `{"id":"a","body":"x","other":1}`, `{"id":"b","body":"y","other":1}`
	for _, first := range []string{"a", "b"} {
		for _, leaves := range []string{"a", "b"} {
			for _, restarts := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s comes first and %s leaves, restarts %v", first, leaves, restarts), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						d := newDirect()
						d.options.Key = []string{"other"}
						m := newMachine(t, d.flow)
						bodies := map[string]string{"a": "x", "b": "y"}
						second := map[string]string{"a": "b", "b": "a"}[first]
						m.start()
						commitRow(d.source, first, bodies[first], 1)
						m.settle()
						commitRow(d.source, second, bodies[second], 1)
						m.settle()
						sameRows(t, d.table, map[string]string{"1": a}) // the smallest collection key is shown
						if restarts {
							m.stop()
							m.start()
						}
						commitDelete(d.source, leaves)
						m.settle()
						sameRows(t, d.table, map[string]string{"1": map[string]string{"a": b, "b": a}[leaves]})
						commitDelete(d.source, second)
						commitDelete(d.source, first)
						m.settle()
						sameRows(t, d.table, map[string]string{})
						m.stop()
					})
				})
			}
		}
	}
}

// A target that loses its rows under the engine's eyes ends the run, and the next one writes them again, at no
// call (I7, I10). With one run after the other nobody has to do anything.
func TestATargetThatIsLostIsBegunAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		d.options.Columns = []string{"id", "body"}
		m := newMachine(t, d.asking)
		for i := range 20 {
			commitRow(d.source, fmt.Sprintf("k%02d", i), fmt.Sprintf("b%d", i), 1)
		}
		m.start()
		d.table.Script(streamtest.Emptied)
		commitRow(d.source, "k00", "changed", 1)
		m.settle()
		err := <-m.done
		if m.close(err); !errors.Is(err, stream.ErrLost) {
			t.Fatalf("the run ended with %v, want ErrLost", err)
		}
		m.start()
		want := map[string]string{"k00": `{"id":"k00","body":"changed"}`}
		for i := 1; i < 20; i++ {
			want[fmt.Sprintf("k%02d", i)] = fmt.Sprintf(`{"id":"k%02d","body":"b%d"}`, i, i)
		}
		sameRows(t, d.table, want)
		for text, times := range d.model.Paid() {
			if times > 1 {
				t.Errorf("%q was paid %d times", text, times)
			}
		}
		m.stop()
	})
}

// A target that was emptied by hand is noticed at the next start and written again, at no call (I7, I10).
func TestScenario_08_AWipedTargetIsWrittenAgain(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		w.random(60)
		m.start()
		m.stop()
		w.pieces.Wipe()
		w.plain.Wipe()
		m.start()
		w.verify("after the wipe")
		w.random(20)
		m.settle()
		w.verify("and after further changes")
		w.paidAtMost(1)
		m.stop()
	})
}

// A row that the target refuses for good becomes a dead letter, its old row goes, its neighbours in the same
// transaction are written, and a restart neither asks again nor forgets it (I6).
func TestScenario_09_ARefusedRowBetweenGoodOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		d.options.Columns = []string{"body"}
		m := newMachine(t, d.flow)
		commitRow(d.source, "b", "old", 0)
		m.start()
		d.table.Reject(func(_ string, r cdc.Row) bool { return strings.Contains(r.At(0).Text(), "nul") })
		d.source.Commit(d.source.Set(`{"id":"a","body":"good","other":0}`), d.source.Set(`{"id":"b","body":"nul","other":0}`),
			d.source.Set(`{"id":"c","body":"good","other":0}`))
		m.settle()
		want := map[string]string{"a": `{"body":"good"}`, "c": `{"body":"good"}`}
		sameRows(t, d.table, want)
		wantLetters(t, m, "table/b: refused")
		m.stop()
		d.table.Reject(nil)
		m.start()
		sameRows(t, d.table, want)
		wantLetters(t, m, "table/b: refused")
		commitRow(d.source, "b", "cured", 0)
		m.settle()
		want["b"] = `{"body":"cured"}`
		sameRows(t, d.table, want)
		wantLetters(t, m)
		m.stop()
	})
}

// The same where the flow chose the target's key.
func TestScenario_09_ARefusedRowUnderAChosenKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		d.options = stream.SinkOptions{Columns: []string{"id", "body"}, Key: []string{"other"}}
		m := newMachine(t, d.flow)
		d.table.Reject(func(_ string, r cdc.Row) bool { return strings.Contains(r.At(1).Text(), "nul") })
		commitRow(d.source, "a", "nul", 1)
		commitRow(d.source, "b", "good", 1)
		commitRow(d.source, "c", "good", 2)
		m.start()
		sameRows(t, d.table, map[string]string{"1": `{"id":"b","body":"good"}`, "2": `{"id":"c","body":"good"}`})
		wantLetters(t, m, "table/a: refused")
		m.stop()
	})
}

// A sink that is down for hours stalls neither the other sink nor the source, and what waits for it does
// not grow without bound (I9).
func TestScenario_09_ASinkDownForHours(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		w.random(20)
		m.start()
		for range 100_000 {
			w.pieces.Script(streamtest.Refusing)
		}
		for range 60 {
			w.random(20)
			m.pass(time.Minute)
		}
		_, plain := w.want()
		sameRows(t, w.plain, plain)
		status := m.engine.Status()
		if status.Sinks["pieces"].Problem == "" {
			t.Errorf("status is silent about the sink that is down: %+v", status.Sinks["pieces"])
		}
		if ready, reasons := m.engine.Ready(); ready || len(reasons) != 1 || reasons[0].Code != "sink_unavailable" {
			t.Errorf("ready is %v for %v, want just sink_unavailable", ready, reasons)
		}
		t.Logf("outbox after an hour: %d effects, %d bytes", status.Sinks["pieces"].Outbox, status.Sinks["pieces"].OutboxBytes)
		w.pieces.Forgive()
		m.pass(time.Minute)
		w.verify("when the sink is back")
		w.paidAtMost(1)
		m.stop()
	})
}

// wantLetters holds the dead letters against `step/key: code` in any order.
func wantLetters(t testing.TB, m *machine, want ...string) {
	t.Helper()
	letters, err := engine.DeadLetters(m.db)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for i := range letters {
		l := &letters[i]
		got[fmt.Sprintf("%s/%s: %s", l.Step, l.Key, l.Code)] = true
	}
	missing := len(got) != len(want)
	for _, line := range want {
		missing = missing || !got[line]
	}
	if missing {
		t.Fatalf("dead letters are %v, want %v", got, want)
	}
}
