package engine_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// saysPaused reports whether the flow says that it is paused, and so not ready.
func saysPaused(m *machine) bool {
	ready, reasons := m.engine.Ready()
	return !ready && slices.ContainsFunc(reasons, func(r engine.Reason) bool { return r.Code == "intake_paused" }) && m.engine.Status().Paused
}

// A pause keeps what sources put out of the flow, lasts over restarts, and loses nothing (I1).
func TestAPausedFlowTakesNothingInUntilItIsResumed(t *testing.T) {
	const a, b, c = `{"id":"a","body":"x","other":1}`, `{"id":"b","body":"y","other":1}`, `{"id":"c","body":"z","other":1}`
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		m := newMachine(t, d.flow)
		commitRow(d.source, "a", "x", 1)
		m.start()
		if err := m.engine.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		commitRow(d.source, "b", "y", 1)
		m.pass(time.Hour)
		sameRows(t, d.table, map[string]string{"a": a})
		if !saysPaused(m) {
			t.Errorf("a paused flow says %+v", m.engine.Status())
		}
		m.stop()

		m.start() // the pause is part of the state
		commitRow(d.source, "c", "z", 1)
		m.pass(time.Hour)
		sameRows(t, d.table, map[string]string{"a": a})
		if !saysPaused(m) {
			t.Error("a restart has ended the pause")
		}
		if err := m.engine.Unpause(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.settle()
		sameRows(t, d.table, map[string]string{"a": a, "b": b, "c": c})
		if ready, reasons := m.engine.Ready(); !ready || m.engine.Status().Paused {
			t.Errorf("a flow that goes on says %v", reasons)
		}
		m.stop()
		m.start()
		if paused, err := engine.Paused(m.db); paused || err != nil {
			t.Errorf("the pause comes back: %v, %v", paused, err)
		}
		m.stop()
	})
}

// What was taken in before a pause goes on to its end: the model answers, the sink is told.
func TestAPauseDoesNotHoldWhatWasTakenIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		m := newMachine(t, d.asking)
		m.start()
		d.model.Stall("slow")
		commitRow(d.source, "a", "slow", 1)
		m.settle()
		if err := m.engine.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.model.Stall("")
		commitRow(d.source, "b", "quick", 1)
		m.pass(time.Minute)
		if got := d.table.Rows(); len(got) != 1 {
			t.Errorf("the table holds %v, want the row that was taken in", got)
		}
		m.stop()
	})
}

// A run with Once does not wait for somebody to resume: it says why it does nothing.
func TestARunWithOnceDoesNotBeginPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		m := newMachine(t, d.flow)
		m.start()
		if err := engine.PauseStopped(m.db, true); err != nil {
			t.Fatal(err)
		}
		m.stop()
		if err := m.once(); !errors.Is(err, engine.ErrPaused) {
			t.Errorf("the run ends with %v, want %v", err, engine.ErrPaused)
		}
	})
}

// A backfill ends the run, and the next one reads everything again, asks no model for what it knows (I7) and writes
// what differs alone.
func TestABackfillReadsASourceAgainAndWritesWhatDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		m := newMachine(t, d.asking)
		for _, id := range []string{"a", "b", "c"} {
			commitRow(d.source, id, id, 1)
		}
		m.start()
		before := m.engine.Status()
		if err := m.engine.Backfill(t.Context(), "rows"); err != nil {
			t.Fatal(err)
		}
		err := <-m.done
		var reading *engine.ReadError
		if !errors.Is(err, cdc.ErrReread) || !errors.As(err, &reading) || reading.Source != "rows" {
			t.Errorf("the run ends with %v", err)
		}
		if err := m.close(nil); err != nil {
			t.Fatal(err)
		}
		m.start()
		after := m.engine.Status()
		if read := after.Sources["rows"].ChangesTotal - before.Sources["rows"].ChangesTotal; read != 3 {
			t.Errorf("%d rows are read again, want 3", read)
		}
		if before.Steps["said"].CallsTotal != after.Steps["said"].CallsTotal || before.Sinks["table"].UpsertsTotal != after.Sinks["table"].UpsertsTotal {
			t.Errorf("what is known is asked or written again: %+v, before it %+v", after, before)
		}
		m.stop()
		m.start() // once
		if again := m.engine.Status().Sources["rows"].ChangesTotal; again != after.Sources["rows"].ChangesTotal {
			t.Errorf("a later start reads again: %d changes, want %d", again, after.Sources["rows"].ChangesTotal)
		}
		m.stop()
	})
}

// log is a source that forgets, and plain one that gives each change once.
type (
	log   struct{ stream.Source }
	plain struct{ stream.Source }
)

func (log) Rereads() bool { return true }

func TestABackfillIsRefusedWhereItWouldLoseRows(t *testing.T) {
	cases := []struct {
		name   string
		source func(stream.Source) stream.Source
		asked  string
		code   string
	}{
		{"a log that forgets", func(s stream.Source) stream.Source { return log{s} }, "rows", "data_guard"},
		{"a source that gives each change once", func(s stream.Source) stream.Source { return plain{s} }, "rows", "usage"},
		{"a source that there is not", func(s stream.Source) stream.Source { return s }, "row", "not_found"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newDirect()
			f := stream.New("refused")
			f.AddSource("rows", c.source(d.source))
			f.AddSink("table", []string{"rows"}, d.table.Sink(), d.options)
			plan, err := f.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var refused *stream.Problem
			if err := engine.CheckBackfill(plan, c.asked); !errors.As(err, &refused) || refused.Code != c.code || refused.Hint == "" {
				t.Errorf("a backfill gives %v, want %s with a hint", err, c.code)
			}
		})
	}
}
