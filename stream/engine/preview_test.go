package engine_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/streamtest"
)

// preview is what the next run of the world would do.
func (w *world) preview() *engine.Preview {
	w.t.Helper()
	alive := func() bool { return false }
	plan, err := w.flow(alive).Plan(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return w.previewOf(plan)
}

func (w *world) previewOf(plan *stream.Plan) *engine.Preview {
	w.t.Helper()
	db, err := statestore.Open("state", statestore.DBOptions{FS: w.fs, MemoryBytes: 8 << 20, DiskFreeBytes: 1, ReadOnly: true})
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := engine.StoppedPreview(w.t.Context(), db, plan)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// first is the preview of a flow that has never run.
func (w *world) first() *engine.Preview {
	w.t.Helper()
	plan, err := w.flow(func() bool { return false }).Plan(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := engine.StoppedPreview(w.t.Context(), nil, plan)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// What a plan says is what the next run does: calls, rows written, rows removed, whatever was changed and
// however often (I7).
func TestAPlanSaysWhatTheNextRunDoes(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			w.logic.without = "1" // so that there is something left to ask
			w.random(60)
			if first := w.first(); first.Exact || first.Sinks["pieces"].Known || first.Sinks["plain"].Known {
				t.Errorf("a plan over rows that nobody has read says that it knows: %+v", first)
			} else if !first.Total.Unknown || !first.Steps["cut"].Unknown {
				t.Errorf("a plan over rows that nobody has counted says how many: %+v", first)
			}
			w.run(0, 100)
			for range 6 {
				switch w.rng.IntN(2) {
				case 0:
					w.logic.without = []string{"", "1", "p2"}[w.rng.IntN(3)]
				case 1:
					w.logic.columns = [][]string{{"id", "piece", "said"}, {"piece", "said"}, {"said", "id"}}[w.rng.IntN(3)]
				}
				p := w.preview()
				if !p.Exact || !p.Sinks["pieces"].Known || p.Total.Unknown {
					t.Fatal("a plan over few rows, all retained, is an estimate")
				}
				asked, written, removed := w.done()
				w.run(0, 100)
				w.verify(fmt.Sprintf("with %+v", w.logic))
				askedNow, writtenNow, removedNow := w.done()
				if got := askedNow - asked; got != p.Total.Calls {
					t.Errorf("with %+v the plan says %d calls, and %d were made", w.logic, p.Total.Calls, got)
				}
				if up, down := p.Sinks["pieces"].Upserts, p.Sinks["pieces"].Deletes; writtenNow-written != up || removedNow-removed != down {
					t.Errorf("with %+v the plan says %d rows written and %d removed, and %d and %d were", w.logic, up, down, writtenNow-written, removedNow-removed)
				}
				if again := w.preview(); again.Total.Calls+again.Total.Rows != 0 {
					t.Errorf("after the run the plan says %+v", again.Total)
				}
			}
		})
	}
}

// What the last run has left open is work of the next one: a plan counts it, and the status of the stopped flow.
func TestAPlanCountsTheCallsThatTheLastRunHasLeftOpen(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		w.put("a", "x|y", 0)
		w.put("b", "z", 0)
		w.fs = m.fs
		m.start()
		m.pass(time.Minute)
		w.model.Down(true)
		w.put("a", "x|v|w", 0)
		w.put("c", "u", 0)
		m.pass(time.Minute)
		m.stop()
		p := w.preview()
		if step := p.Steps["said"]; !p.Exact || step.Change != "none" || step.Calls != 3 || step.MemoHits != 1 {
			t.Errorf("of 4 pieces that wait, one of them answered, the plan says %+v (exact: %t)", step, p.Exact)
		}
		if got := w.standing().Steps["said"].Pending; got != 2 {
			t.Errorf("of 2 rows that wait the status of the stopped flow counts %d", got)
		}
		asked, written, removed := w.done()
		w.model.Down(false)
		m.start()
		m.pass(time.Minute)
		m.stop()
		askedNow, writtenNow, removedNow := w.done()
		if asked+p.Total.Calls != askedNow || written+p.Sinks["pieces"].Upserts != writtenNow || removed+p.Sinks["pieces"].Deletes != removedNow {
			t.Errorf("the plan says %+v, and there were %d calls, %d rows written, %d removed", p, askedNow-asked, writtenNow-written, removedNow-removed)
		}
		if p := w.preview(); p.Total.Calls+p.Total.Rows != 0 || w.standing().Steps["said"].Pending != 0 {
			t.Errorf("nothing waits, and the plan says %+v", p)
		}
	})
}

// done counts calls, and rows written and removed in the sink of pieces, since the beginning.
func (w *world) done() (calls, upserts, deletes int64) {
	w.t.Helper()
	for _, n := range w.model.Paid() {
		calls += int64(n)
	}
	s := w.standing()
	return calls, s.Sinks["pieces"].UpsertsTotal, s.Sinks["pieces"].DeletesTotal
}

// standing is the status of the stopped flow.
func (w *world) standing() engine.Status {
	w.t.Helper()
	db, err := statestore.Open("state", statestore.DBOptions{FS: w.fs, MemoryBytes: 8 << 20, DiskFreeBytes: 1, ReadOnly: true})
	if err != nil {
		w.t.Fatal(err)
	}
	plan, err := w.flow(func() bool { return false }).Plan(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := engine.StoppedStatus(db, plan)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// Whether an answer that nobody has given yet differs from the one before it, a plan cannot tell: it says that the rows of the sink are
// not known, and not that none is written.
func TestAPlanKnowsNoRowsThatHoldAnswersToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirect()
		m := newMachine(t, d.asking)
		commitRow(d.source, "doc", "one", 0)
		m.start()
		m.settle()
		m.stop()
		w := &world{t: t, fs: m.fs}
		planned := func() engine.SinkPreview {
			t.Helper()
			plan, err := d.asking(func() bool { return false }).Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return w.previewOf(plan).Sinks["table"]
		}
		if s := planned(); !s.Known || s.Upserts != 0 {
			t.Errorf("of a flow that is as it was the plan says %+v", s)
		}
		d.model = streamtest.NewModel("another", 1)
		if s := planned(); s.Known {
			t.Errorf("of rows that another model answers for the plan says %+v", s)
		}
	})
}
