package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// A change of logic says how far the stored rows are evaluated again: it never goes back, not even through a kill,
// and ends at all of them.
func TestABackfillSaysHowFarItIs(t *testing.T) {
	const rows = 5000
	scene(t, func(t *testing.T, w *world, m *machine) {
		for i := range rows {
			w.put(fmt.Sprintf("k%05d", i), "p1|p2", 0)
		}
		if err := m.once(); err != nil {
			t.Fatal(err)
		}
		w.logic.without = "p2"
		var seen []engine.Reading
		run := func(killAt int) error {
			commits := 0
			m.crash = func(at string) {
				if at != "commit.after" {
					return
				}
				if r := m.engine.Status().Sources["rows"].Backfill; r != nil {
					seen = append(seen, *r)
				}
				if commits++; commits == killAt {
					m.die(100)
				}
			}
			return m.once()
		}
		_ = run(3)
		first := len(seen)
		if err := run(0); err != nil {
			t.Fatal(err)
		}
		w.verify("after the backfill")
		if first < 2 || len(seen) < first+2 {
			t.Fatalf("progress was seen %d times before the kill and %d times after it", first, len(seen)-first)
		}
		last := engine.Reading{}
		for _, r := range seen {
			if r.Collection != "rows" || r.Done < last.Done || r.Rows < last.Rows || r.Done > 1 {
				t.Errorf("progress goes from %+v to %+v", last, r)
			}
			last = r
		}
		if seen[first].Rows < seen[first-1].Rows || last.Rows < rows/2 {
			t.Errorf("progress was %+v", seen)
		}
		m.crash = nil
		m.start()
		defer m.stop()
		if got := m.engine.Status().Sources["rows"]; got.Backfill != nil || got.Rows != rows {
			t.Errorf("at the end the source is %+v", got)
		}
	})
}

// Rows and dead letters are counted where they are, running or stopped, through deletes, settled rejections and a restart.
func TestTheStatusCountsRowsAndDeadLettersWhereTheyAre(t *testing.T) {
	playAsking(t, stream.StepOptions{}, func(d *direct, m *machine) {
		expect := func(rows, step, sink int64) {
			t.Helper()
			m.settle()
			s := m.engine.Status()
			if s.Sources["rows"].Rows != rows || s.Steps["said"].DLQ != step || s.Sinks["table"].DLQ != sink || s.DeadLetters != step+sink {
				t.Errorf("%d rows, dead letters %d of the step, %d of the sink, %d in all; want %d, %d, %d", s.Sources["rows"].Rows,
					s.Steps["said"].DLQ, s.Sinks["table"].DLQ, s.DeadLetters, rows, step, sink)
			}
		}
		m.start()
		d.model.Poison("bad")
		d.table.Reject(func(_ string, row cdc.Row) bool { return strings.Contains(string(row), "odd") })
		commitRow(d.source, "a", "bad", 0)
		commitRow(d.source, "b", "odd", 0)
		commitRow(d.source, "c", "fine", 0)
		expect(3, 1, 1)
		m.stop()
		m.start()
		expect(3, 1, 1)
		commitRow(d.source, "b", "even", 0)
		expect(3, 1, 0)
		commitDelete(d.source, "a")
		commitDelete(d.source, "c")
		expect(1, 0, 0)
		m.stop()
	})
}
