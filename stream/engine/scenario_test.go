package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/streamtest"
)

// scene is a world and a machine in a bubble of fake time.
func scene(t *testing.T, play func(t *testing.T, w *world, m *machine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		m := newMachine(t, w.flow)
		play(t, w, m)
	})
}

// A new state takes over a target that an old one has written: its writes are not refused, and no version
// falls (I3).
func TestScenario_02_NewStateOverAnOldTarget(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		w.random(60)
		m.start()
		w.random(60)
		m.settle()
		w.verify("under the old state")
		m.stop()
		m.fs = vfs.NewCrashableMem()
		for id := range w.rows {
			w.put(id, w.rows[id].body+"|new", 7)
		}
		m.start()
		w.verify("under the new state")
		w.paidAtMost(2)
		m.stop()
	})
}

// What an old state has written and a new one does not know leaves the target (I5, I6).
func TestScenario_02_NewStateRemovesWhatItDoesNotKnow(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		w.random(60)
		m.start()
		m.stop()
		m.fs = vfs.NewCrashableMem()
		w.remove("k1")
		w.remove("k2")
		w.put("k3", "other", 1)
		m.start()
		w.verify("under the new state")
		m.stop()
	})
}

// A state that is restored from a copy meets a target from its own future: what was written and deleted
// since does not come back, and nothing is refused (I3, I6).
func TestScenario_02_RestoredStateMeetsItsFuture(t *testing.T) {
	for _, gone := range []bool{false, true} {
		t.Run(fmt.Sprintf("rows of the future are gone %v", gone), func(t *testing.T) {
			if gone {
			}
			scene(t, func(t *testing.T, w *world, m *machine) {
				w.random(40)
				m.start()
				m.stop()
				old := m.fs.CrashClone(vfs.CrashCloneCfg{})
				w.put("future", "f|g", 1)
				w.put("k1", "changed|later", 1)
				m.start()
				w.verify("in the future")
				m.stop()
				if gone {
					w.remove("future")
				}
				m.fs = old
				m.start()
				w.verify("after the restore")
				m.stop()
			})
		})
	}
}

// Of two copies of a state only the newer opening writes; the other ends with an error that says why (I3).
func TestScenario_02_TwoCopiesCannotBothWrite(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		w.random(40)
		m.start()
		m.stop()
		other := *w
		other.model = streamtest.NewModel("m", 2) // a model has the queue of one engine
		copied := newMachine(t, other.flow)
		copied.fs = m.fs.CrashClone(vfs.CrashCloneCfg{})
		m.start()
		copied.start()
		w.put("k1", "after|the|copy", 1)
		m.settle()
		if err := <-m.done; !errors.Is(err, stream.ErrFenced) {
			t.Errorf("the older opening ends with %v, want %v", err, stream.ErrFenced)
		}
		if err := m.close(nil); err != nil {
			t.Error(err)
		}
		w.verify("by the newer opening")
		copied.stop()
	})
}

// While a sink is behind, its range of epochs comes to readers in one step: B of the second transaction
// is never seen with A of before the first (I8, I11).
func TestScenario_03_RangesAreNotTorn(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		commit := func(rows ...string) {
			var changes []cdc.Change
			for _, id := range rows {
				id, body, _ := strings.Cut(id, "=")
				w.rows[id] = row{body: body}
				changes = append(changes, w.source.Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":0}`, id, body)))
			}
			w.source.Commit(changes...)
		}
		commit("a=0", "b=0", "c=0")
		m.start()
		w.plain.Watch(func(rows map[string]streamtest.Row) {
			a, b, c := rows["a"].JSON, rows["b"].JSON, rows["c"].JSON
			if strings.Contains(b, "2") != strings.Contains(c, "2") || strings.Contains(b, "2") && !strings.Contains(a, "1") {
				t.Errorf("a torn state is seen: %s %s %s", a, b, c)
			}
		})
		w.plain.Script(streamtest.Refusing, streamtest.Refusing, streamtest.LostAck)
		commit("a=1", "b=1")
		m.settle()
		commit("b=2", "c=2")
		m.settle()
		m.pass(time.Minute)
		w.verify("in the end")
		// A sink that keeps up sees each transaction whole as well, however the source cuts it into batches.
		w.source.Split(1)
		w.source.Linger(time.Second)
		w.plain.Watch(func(rows map[string]streamtest.Row) {
			if b, c := rows["b"].JSON, rows["c"].JSON; strings.ReplaceAll(b, `"b"`, `"c"`) != c {
				t.Errorf("half a transaction is seen: %s %s", b, c)
			}
		})
		for i := range 20 {
			commit(fmt.Sprintf("b=%d", 10+i), fmt.Sprintf("c=%d", 10+i))
			m.pass(time.Duration(i%3) * time.Second)
		}
		m.pass(time.Minute)
		w.verify("after transactions in several batches")
		m.stop()
	})
}

// The pieces of one document switch together, deletes and upserts, whatever the order of the answers and
// however they straggle (I8).
func TestScenario_03_OwnersSwitchTogether(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		w.model.Reorder()
		w.model.Delay(time.Second)
		m.start()
		switches := 0
		last := ""
		w.pieces.Watch(func(rows map[string]streamtest.Row) {
			versions := map[string]int{}
			for key := range rows {
				_, piece, _ := strings.Cut(key, "/")
				version, _, _ := strings.Cut(piece, ".")
				versions[version]++
			}
			if len(versions) > 1 {
				t.Errorf("a mix of versions is seen: %v", versions)
			}
			if len(versions) == 0 && last != "" {
				t.Error("the document is gone while a newer version is being computed")
			}
			for v, n := range versions {
				if want := pieceCount(v); n != want {
					t.Errorf("%d pieces of %s are seen, want %d", n, v, want)
				}
				if v != last {
					switches, last = switches+1, v
				}
			}
		})
		for v := range 12 {
			version := fmt.Sprintf("v%d", v)
			var pieces []string
			for i := range pieceCount(version) {
				pieces = append(pieces, fmt.Sprintf("%s.%d", version, i))
			}
			w.put("doc", strings.Join(pieces, "|"), int64(v))
			m.pass(time.Duration(1+v%5) * time.Second)
		}
		m.pass(time.Minute)
		w.verify("in the end")
		if switches < 3 {
			t.Errorf("the document has switched %d times only", switches)
		}
		m.stop()
	})
}

func pieceCount(version string) int {
	n := 0
	_, _ = fmt.Sscanf(version, "v%d", &n)
	return 2 + n*7%5
}

// One source feeds an index by way of one model and a topic by way of another, which is down for an hour: the
// index goes on (I8).
func TestScenario_04_OneModelDownDoesNotHoldTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newSource()
		embed, llm := streamtest.NewModel("embed", 1), streamtest.NewModel("llm", 1)
		index, topic := streamtest.NewTable(), streamtest.NewTable()
		m := newMachine(t, func(dead func() bool) *stream.Flow {
			f := stream.New("two")
			f.AddSource("rows", source)
			f.AddStep("vectors", "rows", streamtest.Ask{Model: embed, Column: "body", Ref: true}, stream.StepOptions{})
			f.AddStep("facts", "rows", streamtest.Ask{Model: llm, Column: "body"}, stream.StepOptions{})
			f.AddSink("index", []string{"vectors"}, index.Sink().Until(dead), stream.SinkOptions{Columns: []string{"id", "said"}})
			f.AddSink("topic", []string{"facts"}, topic.Sink().Until(dead), stream.SinkOptions{Columns: []string{"id", "said"}})
			return f
		})
		commitRow(source, "a", "one", 0)
		m.start()
		llm.Down(true)
		commitRow(source, "a", "two", 0)
		commitRow(source, "b", "three", 0)
		m.settle()
		m.pass(time.Hour)
		sameRows(t, index, map[string]string{"a": `{"id":"a","said":"TWO"}`, "b": `{"id":"b","said":"THREE"}`})
		sameRows(t, topic, map[string]string{"a": `{"id":"a","said":"ONE"}`})
		llm.Down(false)
		m.settle()
		sameRows(t, topic, map[string]string{"a": `{"id":"a","said":"TWO"}`, "b": `{"id":"b","said":"THREE"}`})
		m.stop()
	})
}

// An owner that changes every second while a call takes two still moves on, and never backwards (I4).
func TestScenario_05_AnOwnerFasterThanItsCalls(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		w.model.Delay(2 * time.Second)
		m.start()
		var seen []string
		w.pieces.Watch(func(rows map[string]streamtest.Row) {
			for key := range rows {
				if len(seen) == 0 || seen[len(seen)-1] != key {
					seen = append(seen, key)
				}
			}
		})
		for i := range 30 {
			w.put("doc", fmt.Sprintf("v%02d", i), 0)
			m.pass(time.Second)
		}
		w.pieces.Watch(nil) // and with it, nobody appends to seen any more
		if len(seen) < 5 {
			t.Errorf("in 30 s the outputs have moved on %d times: %v", len(seen), seen)
		}
		if !slices.IsSorted(seen) {
			t.Errorf("the outputs went back: %v", seen)
		}
		m.pass(time.Minute)
		w.verify("in the end")
		m.stop()
	})
}

// v2 adds a piece whose call is pending, v3 changes another piece only: both arrive (I6).
func TestScenario_06_APendingPieceOutlivesAnotherChange(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		w.put("doc", "one|two", 0)
		m.start()
		w.model.Stall("slow")
		w.put("doc", "one|two|slow", 0)
		m.settle()
		w.put("doc", "one|second|slow", 0)
		m.settle()
		w.model.Stall("")
		m.settle()
		w.verify("after the pending call")
		w.paidAtMost(1)
		m.stop()
	})
}

// What a row waits for and then gets was asked for, and not known before: only an answer from the memo is one that was saved.
func TestAnAnswerThatWasPaidIsNoneThatWasSaved(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		m.start()
		w.put("doc", "one|two|three", 0)
		m.settle()
		for name, s := range m.engine.Status().Steps {
			if s.MemoHitsTotal != 0 {
				t.Errorf("step %s has made %d calls and saved %d, of pieces that are new", name, s.CallsTotal, s.MemoHitsTotal)
			}
		}
		w.put("other", "one|four", 0)
		m.settle()
		var calls, hits int64
		for _, s := range m.engine.Status().Steps {
			calls, hits = calls+s.CallsTotal, hits+s.MemoHitsTotal
		}
		if calls == 0 || hits == 0 {
			t.Errorf("%d calls were made and %d saved, of a piece that is known and one that is new", calls, hits)
		}
		w.verify("in the end")
		m.stop()
	})
}

// A change of logic is killed on its way and taken back: everything is as under the old logic, and the
// state says so (I6).
func TestScenario_07_LogicTakenBackHalfWay(t *testing.T) {
	if testing.Short() {
		t.Skip("it backfills thousands of rows; run without -short")
	}
	w := newWorld(t, 7)
	var changes []cdc.Change
	for i := range 6000 {
		id, body := fmt.Sprintf("r%04d", i), fmt.Sprintf("x%d|y%d", i%7, i%11)
		w.rows[id] = row{body: body}
		changes = append(changes, w.source.Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":0}`, id, body)))
	}
	for part := range slices.Chunk(changes, 500) {
		w.source.Commit(part...)
	}
	w.run(0, 100)
	w.verify("under A")
	for _, killAt := range []int{3, 4, 5, 6} {
		w.logic.without = "3"
		if !w.run(killAt, 0) {
			t.Fatalf("the change ends before step %d", killAt)
		}
		w.logic.without = ""
		w.run(0, 100)
		w.verify(fmt.Sprintf("back at A, killed at %d", killAt))
	}
	w.paidAtMost(1)
}

// newSource is a scripted source of streamtest.Schema.
func newSource() *cdctest.Script {
	return cdctest.NewScript(cdc.Collection{Schema: streamtest.Schema()})
}

func commitRow(s *cdctest.Script, id, body string, other int64) {
	s.Commit(s.Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":%d}`, id, body, other)))
}

func commitDelete(s *cdctest.Script, id string) {
	s.Commit(cdc.Change{Op: cdc.Delete, Key: cdc.StringKey(id)})
}

var _ = engine.Options{}
