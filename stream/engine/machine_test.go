package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/streamtest"
)

// machine runs engines one after the other over one disk, as the processes of a machine would. It is made for
// a synctest bubble: settle is the moment at which nothing goes on any more.
type machine struct {
	t       testing.TB
	fs      *vfs.MemFS
	flow    func(dead func() bool) *stream.Flow
	options engine.Options
	dir     string
	wrap    func(fs vfs.FS) vfs.FS // what the engine sees of the disk; nil: the disk
	crash   func(point string)     // called at every durable step

	engine *engine.Engine
	db     *statestore.DB
	cancel context.CancelFunc
	done   chan error // the end of Run
	dead   *atomic.Bool
	diedAt atomic.Value // string: the step
	open   bool

	running sync.WaitGroup
}

func newMachine(t testing.TB, flow func(dead func() bool) *stream.Flow) *machine {
	m := &machine{t: t, fs: vfs.NewCrashableMem(), flow: flow, dir: "state"}
	t.Cleanup(m.reap)
	return m
}

// reap ends what a failed test has left running.
func (m *machine) reap() {
	if m.open {
		m.cancel()
		m.running.Wait()
		_ = m.close(nil)
	}
}

// boot opens the flow over the disk and runs it.
func (m *machine) boot(o engine.Options) error {
	m.dead = &atomic.Bool{}
	dead := m.dead
	ctx, cancel := context.WithCancel(context.Background())
	plan, err := m.flow(dead.Load).Plan(ctx)
	if err != nil {
		cancel()
		return err
	}
	var fs vfs.FS = m.fs
	if m.wrap != nil {
		fs = m.wrap(fs)
	}
	m.db, err = statestore.Open(m.dir, statestore.DBOptions{FS: fs, MemoryBytes: 8 << 20, DiskFreeBytes: 1})
	if err != nil {
		cancel()
		return err
	}
	o.Crash = func(point string) {
		if m.crash != nil && !dead.Load() {
			m.crash(point)
		}
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = time.Millisecond
	}
	if m.engine, err = engine.Open(ctx, plan, m.db, o); err != nil {
		cancel()
		return errors.Join(err, m.db.Close())
	}
	m.open = true
	e, done := m.engine, make(chan error, 1) // one place: nobody may wait for it any more
	m.cancel, m.done = cancel, done
	m.running.Go(func() { done <- e.Run(ctx) })
	return nil
}

// start runs the flow as a service.
func (m *machine) start() {
	m.t.Helper()
	if err := m.boot(m.options); err != nil {
		m.t.Fatal(err)
	}
	synctest.Wait()
}

// settle lets everything happen that can happen without time passing.
func (m *machine) settle() { synctest.Wait() }

// pass lets time pass.
func (m *machine) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// stop ends the flow as a signal would.
func (m *machine) stop() {
	m.t.Helper()
	m.cancel()
	if err := m.close(<-m.done); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) close(err error) error {
	m.open = false
	return errors.Join(err, m.engine.Close(), m.db.Close())
}

// once runs the flow until it has caught up, and returns how that ended.
func (m *machine) once() error {
	o := m.options
	o.Once = true
	if err := m.boot(o); err != nil {
		return err
	}
	err := <-m.done
	m.cancel()
	return m.close(err)
}

// die ends the process without warning, also from within a crash point: what is synced survives, and of the
// rest the given part.
func (m *machine) die(percent int) {
	m.dead.Store(true)
	m.fs = m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(percent), 5))})
	m.cancel()
}

// bury waits for what is left of a process that died.
func (m *machine) bury() {
	<-m.done
	_ = m.close(nil)
}

// dieAt has the process die at the nth durable step of a name from now on; any name: "".
func (m *machine) dieAt(point string, nth, percent int) {
	var met atomic.Int64
	m.crash = func(at string) {
		if (point == "" || at == point) && met.Add(1) == int64(nth) {
			m.diedAt.Store(at)
			m.die(percent)
		}
	}
}

// markStopped does something to the dead letters of a stopped flow.
func markStopped(m *machine, do func(db *statestore.DB, id string) ([]engine.DeadLetter, error)) ([]engine.DeadLetter, error) {
	db, err := statestore.Open(m.dir, statestore.DBOptions{FS: m.fs, MemoryBytes: 8 << 20, DiskFreeBytes: 1})
	if err != nil {
		return nil, err
	}
	letters, err := do(db, "")
	return letters, errors.Join(err, db.Close())
}

// sameRows holds a table against what it should hold, and against what it has seen go wrong.
func sameRows(t testing.TB, table *streamtest.Table, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, table.Rows()); diff != "" {
		t.Fatalf("the target differs (-want +got):\n%s", diff)
	}
	if wrong := table.Wrong(); len(wrong) > 0 {
		t.Fatal(strings.Join(wrong, "; "))
	}
}
