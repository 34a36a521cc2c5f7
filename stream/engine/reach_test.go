package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/engine"
)

// waited runs a Wait beside the test.
func waited(m *machine, position string, patience time.Duration) chan error {
	done := make(chan error, 1)
	m.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- m.engine.Wait(ctx, "rows", position)
	})
	synctest.Wait()
	return done
}

func over(done chan error) (err error, ended bool) {
	select {
	case err := <-done:
		return err, true
	default:
		return nil, false
	}
}

// Whoever waits for a position goes on when the sink holds every row up to it, those that waited for a model
// included (I4), and no later row keeps them.
func TestAWaitEndsWhenTheSinkHoldsThePosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		m := newMachine(t, d.asking)
		m.start()
		d.model.Stall("slow")
		commitRow(d.source, "a", "slow", 1)
		commitRow(d.source, "b", "quick", 1)
		m.settle()
		first, later := waited(m, "1", time.Hour), waited(m, "2", time.Minute)
		if _, ended := over(first); ended {
			t.Fatal("a row waits for its model, and the position before it is said to be held")
		}
		if got := m.engine.Status().Sinks["table"].Position; got == "1" || got == "2" {
			t.Errorf("the sink is said to hold %s", got)
		}
		m.pass(2 * time.Minute)
		if err, ended := over(later); !ended || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait whose time is over ends with %v, %t", err, ended)
		}
		d.model.Stall("")
		d.table.Slow(time.Minute)
		m.pass(time.Second)
		if _, ended := over(first); ended {
			t.Error("a row is on its way, and the position is said to be held")
		}
		m.pass(3 * time.Minute)
		if err, ended := over(first); err != nil || !ended {
			t.Errorf("the sink holds the position, and the wait gives %v, %t", err, ended)
		}
		if got := m.engine.Status().Sinks["table"].Position; got != "2" {
			t.Errorf("the sink is said to hold %q, want 2", got)
		}
		if err, ended := over(waited(m, "2", time.Minute)); err != nil || !ended {
			t.Errorf("a wait for what is held gives %v, %t", err, ended)
		}
		m.stop()
		m.holdsStopped(map[string]bool{"1": true, "2": true, "3": false})
	})
}

// holdsStopped looks at the state of the stopped flow.
func (m *machine) holdsStopped(want map[string]bool) {
	m.t.Helper()
	db, err := statestore.Open("state", statestore.DBOptions{FS: m.fs, MemoryBytes: 8 << 20, DiskFreeBytes: 1, ReadOnly: true})
	if err != nil {
		m.t.Fatal(err)
	}
	plan, err := m.flow(func() bool { return false }).Plan(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	s, err := engine.StoppedStatus(db, plan)
	if got := s.Sinks["table"].Position; err != nil || got != s.Sources["rows"].Position {
		m.t.Errorf("the sink of the stopped flow is said to hold %q, the source %q: %v", got, s.Sources["rows"].Position, err)
	}
	for position, held := range want {
		if got, err := engine.StoppedHolds(db, plan, "rows", position); got != held || err != nil {
			m.t.Errorf("the stopped flow holds %s: %t, %v", position, got, err)
		}
	}
	if err := db.Close(); err != nil {
		m.t.Fatal(err)
	}
}

func TestAWaitForWhatIsUnknownIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		m := newMachine(t, d.flow)
		m.start()
		var unknown *engine.NotFoundError
		if err := m.engine.Wait(t.Context(), "nobody", "1"); !errors.As(err, &unknown) {
			t.Errorf("an unknown source gives %v", err)
		}
		var wrong *engine.PositionError
		if err := m.engine.Wait(t.Context(), "rows", "yesterday"); !errors.As(err, &wrong) {
			t.Errorf("a position that is none gives %v", err)
		}
		m.stop()
	})
}

// A value that was not sent, and that no earlier row holds, makes a dead letter of its row alone, until the
// row comes whole (I10).
func TestScenario_11_AValueThatIsNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		d.options.Columns = []string{"id", "body", "other"}
		m := newMachine(t, d.flow)
		commitRow(d.source, "a", "large", 1)
		m.start()
		var part cdc.RowBuilder
		part.Text("b")
		part.Unchanged()
		part.Int64(7)
		d.source.Commit(cdc.Change{Op: cdc.Update, Key: cdc.StringKey("b"), After: part.Build()})
		m.settle()
		sameRows(t, d.table, map[string]string{"a": `{"id":"a","body":"large","other":1}`})
		letters, err := engine.DeadLetters(m.db)
		if err != nil || len(letters) != 1 || letters[0].Code != "value_not_sent" || letters[0].Key != "b" {
			t.Errorf("the dead letters are %+v, %v", letters, err)
		}
		commitRow(d.source, "b", "whole", 8)
		m.settle()
		sameRows(t, d.table, map[string]string{"a": `{"id":"a","body":"large","other":1}`, "b": `{"id":"b","body":"whole","other":8}`})
		m.stop()
	})
}
