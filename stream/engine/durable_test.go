package engine_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/freshet/freshet/stream/streamtest"
)

// gate makes the syncs of logs in one part of the state wait while it is shut.
type gate struct {
	part string
	shut atomic.Bool
	open chan struct{} // closed to let them pass
}

func (g *gate) wrap(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			if g.shut.Load() && filepath.Ext(op.Path) == ".log" && strings.Contains(op.Path, "/"+g.part+"/") {
				<-g.open
			}
		}
		return nil
	}))
}

// A result that can be read but is not synced yet is not referred to: an epoch that does would be durable
// while the result is lost (I2).
func TestAResultIsDurableBeforeAnythingRefersToIt(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		g := &gate{part: "memo", open: make(chan struct{})}
		m.wrap = g.wrap
		m.start()
		g.shut.Store(true)
		w.put("a", "x", 0) // its result is stored, and the sync hangs
		m.settle()
		if w.model.Paid()["x"] != 1 {
			t.Fatal("the call has not been answered")
		}
		w.pieces.Script(streamtest.Refusing)
		w.put("b", "x", 0) // another owner asks for the same; its effect stays in the outbox
		m.settle()
		m.die(0)
		close(g.open)
		m.bury()
		m.wrap = nil
		w.model.Down(true)
		m.start()
		w.model.Down(false)
		m.pass(time.Minute)
		w.verify("after the crash")
		w.paidAtMost(2)
		m.stop()
	})
}

// Nothing leaves the process for an epoch that is not durable: while the sync of the state hangs, no effect
// reaches a target, no call a model, no confirmation the source (I1, I2); also where the next epoch is evaluated meanwhile.
func TestNothingLeavesBeforeTheEpochIsDurable(t *testing.T) {
	for _, behind := range []int{0, 1000} {
		t.Run(fmt.Sprint(behind), func(t *testing.T) {
			scene(t, func(t *testing.T, w *world, m *machine) { nothingLeaves(t, w, m, behind) })
		})
	}
}

// nothingLeaves hangs the sync of an epoch behind which come so many rows.
func nothingLeaves(t *testing.T, w *world, m *machine, behind int) {
	g := &gate{part: "state", open: make(chan struct{})}
	m.wrap = g.wrap
	m.start()
	confirmed, evaluated := len(w.source.Confirmed()), 0
	m.crash = func(point string) {
		switch {
		case point == "commit.memo":
			evaluated++
		case point == "commit.applied" && evaluated == 1:
			for i := range behind {
				w.put(fmt.Sprintf("k%03d", i), "z", 0)
			}
			<-time.After(time.Second) // until they are in the inlet
		}
	}
	g.shut.Store(true)
	w.put("a", "x|y", 0)
	m.pass(time.Minute)
	if want := min(2, 1+behind); evaluated != want {
		t.Errorf("%d epochs were evaluated while the sync hangs, want %d", evaluated, want)
	}
	writes, _ := w.plain.Writes()
	if paid := w.model.Paid(); writes > 0 || len(paid) > 0 || len(w.source.Confirmed()) > confirmed {
		t.Errorf("before the epoch is durable %d effects were applied, %v paid, %d positions confirmed", writes, paid,
			len(w.source.Confirmed())-confirmed)
	}
	g.shut.Store(false)
	close(g.open)
	m.pass(time.Minute)
	w.verify("when it is durable")
	if len(w.source.Confirmed()) == confirmed {
		t.Error("nothing is confirmed to the source")
	}
	m.stop()
}

// A source that is faster than the engine is made to wait: what it has handed over and nobody has taken up
// stays within limits.memory, however long it lasts (I9).
func TestAFullInletMakesItsSourceWait(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		const size, rows = 64 << 10, 300
		w.memory = 8 << 20
		g := &gate{part: "state", open: make(chan struct{})}
		m.wrap = g.wrap
		m.start()
		g.shut.Store(true) // the engine waits for its first epoch
		text := strings.Repeat("x", size)
		for i := range rows {
			w.put(fmt.Sprintf("k%d", i), text, 0)
		}
		m.settle()
		handed := w.source.Handed()
		if bytes := int64(handed) * size; handed == 0 || bytes > w.memory {
			t.Errorf("%d of %d rows were handed over, %d bytes; the limit is %d", handed, rows, bytes, w.memory)
		}
		g.shut.Store(false)
		close(g.open)
		m.settle()
		if got := w.source.Handed(); got != rows {
			t.Errorf("%d of %d rows were handed over when the engine could go on", got, rows)
		}
		m.stop()
	})
}
