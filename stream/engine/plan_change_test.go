package engine_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// What a sink was to be sent under an old plan is not sent under a new one, whose columns are others: it is
// taken back and made anew, once more if the crash comes while it is being taken back (I2, I6).
func TestUnsentRowsOfAChangedSinkAreTakenBack(t *testing.T) {
	columns := [][]string{{"id", "piece", "said"}, {"said", "id"}, {"other", "piece"}}
	scene(t, func(t *testing.T, w *world, m *machine) {
		kills := 0
		w.pieces.Watch(func(rows map[string]streamtest.Row) {
			for key, r := range rows {
				var fields struct{ ID, Piece, Said *string }
				if err := json.Unmarshal([]byte(r.JSON), &fields); err != nil || !begins(fields.ID, "k") || !begins(fields.Piece, "p") || !begins(fields.Said, "P") {
					t.Errorf("with the columns %v the row %s is %s, %v", w.logic.columns, key, r.JSON, err)
				}
			}
		})
		for i := range 12 {
			w.logic.columns = columns[i%len(columns)]
			w.random(10)
			m.dieAt("sink.send", 1+i%3, 100) // the epoch is durable, and nothing of it is sent
			err := m.once()
			if m.dead.Load() {
				kills++
			} else if err != nil {
				t.Fatal(err)
			}
			m.crash = nil
			if i%4 == 3 {
				if err := m.once(); err != nil {
					t.Fatal(err)
				}
				w.verify(fmt.Sprintf("with the columns %v", w.logic.columns))
			}
		}
		if kills < 6 {
			t.Errorf("the engine was killed %d times only", kills)
		}
	})
}

// begins reports whether a column is absent, or has what its values begin with.
func begins(value *string, with string) bool { return value == nil || strings.HasPrefix(*value, with) }

// A transaction that was spilled under one plan and is taken up under another goes by the other's columns
// (I2, I11).
func TestASpillOutlivesItsPlan(t *testing.T) {
	for at := range 5 {
		t.Run(fmt.Sprintf("killed at step %d", at+2), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, uint64(at))
			w.memory = 16 << 20
			w.source.Split(97)
			const n = 1500
			var changes []cdc.Change
			for i := range n {
				id, body := fmt.Sprintf("k%05d", i), fmt.Sprintf("%0900d|p%d", i, i%7)
				w.rows[id] = row{body, int64(i % 3)}
				changes = append(changes, w.source.Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":%d}`, id, body, i%3)))
			}
			w.source.Commit(changes...)
			w.run(at+2, 100)
			w.logic.columns, w.logic.without = []string{"other", "piece"}, "p3"
			w.run(at+1, 100)
			w.run(0, 100)
			w.verify("after the change")
		})
	}
}

// A column that gets another name is another row to a sink, although no value of it has changed (I6).
func TestARenamedColumnIsWritten(t *testing.T) {
	source, table, model, name := newSource(), streamtest.NewTable(), streamtest.NewModel("m", 1), "said"
	m := newMachine(t, func(dead func() bool) *stream.Flow {
		f := stream.New("renamed")
		f.AddSource("rows", source)
		f.AddStep("ask", "rows", streamtest.Ask{Model: model, Column: "body", As: name, Ref: true}, stream.StepOptions{})
		f.AddSink("table", []string{"ask"}, table.Sink().Until(dead), stream.SinkOptions{Columns: []string{"id", name}})
		return f
	})
	source.Commit(source.Set(`{"id":"a","body":"x","other":1}`))
	for _, name = range []string{"said", "answer", "said"} {
		if err := m.once(); err != nil {
			t.Fatal(err)
		}
		sameRows(t, table, map[string]string{"a": fmt.Sprintf(`{"id":"a",%q:"X"}`, name)})
	}
	if paid := model.Paid()["x"]; paid != 1 {
		t.Errorf("the name of a column costs %d calls", paid-1)
	}
}
