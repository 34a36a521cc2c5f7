package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// said is what a row of an asking flow looks like in its table.
func said(body string) string {
	return fmt.Sprintf(`{"body":%q,"said":%q}`, body, strings.ToUpper(body))
}

// playAsking plays with source → model → table, whose rows are body and said.
func playAsking(t *testing.T, step stream.StepOptions, play func(d *direct, m *machine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		d.options.Columns, d.step = []string{"body", "said"}, step
		play(d, newMachine(t, d.asking))
	})
}

// A row that its model rejects is a dead letter and its old output goes (I6); a restart does not ask again
// (I7); a person can have it tried again.
func TestARejectedRowIsADeadLetter(t *testing.T) {
	playAsking(t, stream.StepOptions{}, func(d *direct, m *machine) {
		m.start()
		commitRow(d.source, "a", "fine", 0)
		commitRow(d.source, "b", "fine too", 0)
		m.settle()
		d.model.Poison("bad")
		commitRow(d.source, "a", "bad", 0)
		m.settle()
		sameRows(t, d.table, map[string]string{"b": said("fine too")})
		wantLetters(t, m, "said/a: rejected")
		m.stop()

		d.model.Poison("")
		m.start()
		sameRows(t, d.table, map[string]string{"b": said("fine too")})
		wantLetters(t, m, "said/a: rejected")
		if paid := d.model.Paid()["bad"]; paid != 0 {
			t.Errorf("a restart asked for the rejected row again, %d times", paid)
		}

		letters, err := m.engine.RetryDeadLetters(context.Background(), "")
		if err != nil || len(letters) != 1 {
			t.Fatalf("retry gives %v, %v", letters, err)
		}
		m.settle()
		sameRows(t, d.table, map[string]string{"a": said("bad"), "b": said("fine too")})
		wantLetters(t, m)
		m.stop()
	})
}

// A retry that is rejected once more keeps its dead letter under the same name, with one more attempt.
func TestARetryThatFailsKeepsItsLetter(t *testing.T) {
	playAsking(t, stream.StepOptions{}, func(d *direct, m *machine) {
		d.model.Poison("bad")
		commitRow(d.source, "a", "bad", 0)
		m.start()
		before := onlyLetter(t, m)
		if _, err := m.engine.RetryDeadLetters(context.Background(), before.ID); err != nil {
			t.Fatal(err)
		}
		m.settle()
		after := onlyLetter(t, m)
		if after.ID != before.ID || after.Attempts != before.Attempts+1 {
			t.Errorf("the letter was %s with %d attempts, and is %s with %d", before.ID, before.Attempts, after.ID, after.Attempts)
		}
		m.stop()
		if marked, err := markStopped(m, engine.MarkRetry); err != nil || len(marked) != 1 {
			t.Fatalf("mark gives %v, %v", marked, err)
		}
		d.model.Poison("")
		m.start()
		wantLetters(t, m)
		sameRows(t, d.table, map[string]string{"a": said("bad")})
		m.stop()
	})
}

// A discarded dead letter is gone, and its row stays rejected until it changes; also where it was discarded
// while the flow was stopped.
func TestADiscardedLetterStaysAway(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		t.Run(fmt.Sprintf("while the flow is stopped %v", stopped), func(t *testing.T) {
			playAsking(t, stream.StepOptions{}, func(d *direct, m *machine) {
				d.model.Poison("bad")
				commitRow(d.source, "a", "bad", 0)
				m.start()
				if !stopped {
					if _, err := m.engine.DiscardDeadLetters(context.Background(), ""); err != nil {
						t.Fatal(err)
					}
					wantLetters(t, m)
				}
				m.stop()
				if stopped {
					if dropped, err := markStopped(m, engine.DiscardStopped); err != nil || len(dropped) != 1 {
						t.Fatalf("discard gives %v, %v", dropped, err)
					}
				}
				d.model.Poison("")
				m.start()
				wantLetters(t, m)
				sameRows(t, d.table, map[string]string{})
				commitRow(d.source, "a", "cured", 0)
				m.settle()
				sameRows(t, d.table, map[string]string{"a": said("cured")})
				m.stop()
			})
		})
	}
}

// A dead letter leaves with its row, and with its cure; one that changes for the worse stays one.
func TestALetterLeavesWithItsRow(t *testing.T) {
	playAsking(t, stream.StepOptions{}, func(d *direct, m *machine) {
		d.model.Poison("bad")
		m.start()
		for _, id := range []string{"a", "b", "c"} {
			commitRow(d.source, id, "bad", 0)
		}
		m.settle()
		wantLetters(t, m, "said/a: rejected", "said/b: rejected", "said/c: rejected")
		commitDelete(d.source, "a")
		commitRow(d.source, "b", "cured", 0)
		commitRow(d.source, "c", "bad as well", 0)
		m.settle()
		sameRows(t, d.table, map[string]string{"b": said("cured")})
		wantLetters(t, m, "said/c: rejected")
		m.stop()
	})
}

// keep_stale leaves the old output of a rejected row, until its row is cured or deleted.
func TestKeepStale(t *testing.T) {
	playAsking(t, stream.StepOptions{OnError: stream.KeepStale}, func(d *direct, m *machine) {
		m.start()
		commitRow(d.source, "a", "old", 0)
		commitRow(d.source, "b", "old", 0)
		m.settle()
		d.model.Poison("bad")
		for _, id := range []string{"a", "b", "new"} {
			commitRow(d.source, id, "bad", 0)
		}
		m.settle()
		sameRows(t, d.table, map[string]string{"a": said("old"), "b": said("old")})
		wantLetters(t, m, "said/a: rejected", "said/b: rejected", "said/new: rejected")
		m.stop()
		m.start()
		sameRows(t, d.table, map[string]string{"a": said("old"), "b": said("old")})
		commitDelete(d.source, "a")
		commitRow(d.source, "b", "cured", 0)
		m.settle()
		sameRows(t, d.table, map[string]string{"b": said("cured")})
		wantLetters(t, m, "said/new: rejected")
		m.stop()
	})
}

// keep_stale holds for a cheap step as well.
func TestKeepStaleOfACheapStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		d.step, d.options.Columns = stream.StepOptions{OnError: stream.KeepStale}, []string{"piece"}
		m := newMachine(t, d.cutting)
		commitRow(d.source, "a", "x|y", 0)
		m.start()
		commitRow(d.source, "a", "!", 0)
		m.settle()
		sameRows(t, d.table, map[string]string{"a/x-1": `{"piece":"x"}`, "a/y-1": `{"piece":"y"}`})
		wantLetters(t, m, "cut/a: operator_error")
		commitRow(d.source, "a", "z", 0)
		m.settle()
		sameRows(t, d.table, map[string]string{"a/z-1": `{"piece":"z"}`})
		wantLetters(t, m)
		m.stop()
	})
}

// on_error: fail stops the flow with an error that names the step and the row; what was applied stays.
func TestOnErrorFail(t *testing.T) {
	playAsking(t, stream.StepOptions{OnError: stream.Fail}, func(d *direct, m *machine) {
		m.start()
		commitRow(d.source, "a", "fine", 0)
		m.settle()
		d.model.Poison("bad")
		commitRow(d.source, "b", "bad", 0)
		var fault *engine.StepError
		if err := <-m.done; !errors.As(err, &fault) || fault.Step != "said" || fault.Key != "b" {
			t.Fatalf("the flow ends with %v", err)
		}
		if err := m.close(nil); err != nil {
			t.Fatal(err)
		}
		sameRows(t, d.table, map[string]string{"a": said("fine")})
		d.model.Poison("")
		m.start()
		sameRows(t, d.table, map[string]string{"a": said("fine"), "b": said("bad")})
		m.stop()
	})
}

// A row that its source cannot read takes its output with it, and comes back when it can be read (I6).
func TestASourceRejectsARow(t *testing.T) {
	playAsking(t, stream.StepOptions{}, func(d *direct, m *machine) {
		m.start()
		commitRow(d.source, "a", "fine", 0)
		m.settle()
		d.source.Commit(cdc.Change{Op: cdc.Reject, Key: cdc.StringKey("a"), Cause: &cdc.Cause{Code: "too_large", Message: "9 GiB"}})
		m.settle()
		sameRows(t, d.table, map[string]string{})
		wantLetters(t, m, "rows/a: too_large")
		m.stop()
		m.start()
		wantLetters(t, m, "rows/a: too_large")
		commitRow(d.source, "a", "fine", 0)
		m.settle()
		sameRows(t, d.table, map[string]string{"a": said("fine")})
		wantLetters(t, m)
		d.source.Commit(cdc.Change{Op: cdc.Reject, Key: cdc.StringKey("b"), Cause: &cdc.Cause{Code: "null_key", Message: "none", Keyless: true}},
			cdc.Change{Op: cdc.Reject, Key: cdc.StringKey("c"), Cause: &cdc.Cause{Code: "decode_error", Message: "half", Keyless: true, Place: "t/0/1"}})
		m.settle()
		wantLetters(t, m, "rows/: null_key", "rows/t/0/1: decode_error")
		m.stop()
	})
}

// With max_hold removals do not wait for calls for ever; without it an owner's outputs switch together (I8).
func TestMaxHold(t *testing.T) {
	for _, most := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1)
				m := newMachine(t, func(dead func() bool) *stream.Flow {
					w.hold = most
					return w.flow(dead)
				})
				w.put("doc", "one|two|three", 0)
				m.start()
				w.model.Down(true)
				w.put("doc", "one|four", 0)
				m.pass(30 * time.Second)
				if rows := len(w.pieces.Rows()); rows != 3 {
					t.Fatalf("%d rows stand while the hold lasts, want the 3 old ones", rows)
				}
				m.pass(time.Hour)
				if rows, want := len(w.pieces.Rows()), map[time.Duration]int{0: 3, time.Minute: 1}[most]; rows != want {
					t.Fatalf("%d rows stand after an hour, want %d", rows, want)
				}
				m.stop()
				m.start()
				if rows, want := len(w.pieces.Rows()), map[time.Duration]int{0: 3, time.Minute: 1}[most]; rows != want {
					t.Fatalf("%d rows stand after a restart, want %d", rows, want)
				}
				w.model.Down(false)
				m.settle()
				w.verify("in the end")
				w.paidAtMost(1)
				m.stop()
			})
		})
	}
}

func onlyLetter(t testing.TB, m *machine) engine.DeadLetter {
	t.Helper()
	letters, err := engine.DeadLetters(m.db)
	if err != nil || len(letters) != 1 {
		t.Fatalf("the dead letters are %v (%v), want one", letters, err)
	}
	return letters[0]
}
