package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// machine runs engines one after the other over one disk, as the processes of a machine would. It is made for
// a synctest bubble: settle is the moment at which nothing goes on any more.
type machine struct {
	t       testing.TB
	fs      *vfs.MemFS
	flow    func(dead func() bool) *stream.Flow
	options engine.Options
	crash   func(point string) // called at every durable step

	engine *engine.Engine
	db     *statestore.DB
	cancel context.CancelFunc
	done   chan error // one place: the end of Run
	dead   *atomic.Bool
}

func newMachine(t testing.TB, flow func(dead func() bool) *stream.Flow) *machine {
	return &machine{t: t, fs: vfs.NewCrashableMem(), flow: flow}
}

// open opens the flow over the disk.
func (s *machine) open(o engine.Options) error {
	s.dead = &atomic.Bool{}
	dead := s.dead
	ctx, cancel := context.WithCancel(context.Background())
	plan, err := s.flow(dead.Load).Plan(ctx)
	if err != nil {
		cancel()
		return err
	}
	s.db, err = statestore.Open("state", statestore.DBOptions{FS: s.fs, MemoryBytes: 8 << 20, DiskFreeBytes: 1})
	if err != nil {
		cancel()
		return err
	}
	o.Crash = func(point string) {
		if s.crash != nil && !dead.Load() {
			s.crash(point)
		}
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = time.Millisecond
	}
	if s.engine, err = engine.Open(ctx, plan, s.db, o); err != nil {
		cancel()
		return errors.Join(err, s.db.Close())
	}
	e, done := s.engine, make(chan error, 1)
	s.cancel, s.done = cancel, done
	var run = func() { done <- e.Run(ctx) }
	go run()
	return nil
}

// start runs the flow as a service.
func (s *machine) start() {
	s.t.Helper()
	if err := s.open(s.options); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

// settle lets everything happen that can happen without time passing.
func (s *machine) settle() { synctest.Wait() }

// pass lets time pass.
func (s *machine) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// stop ends the flow as a signal would.
func (s *machine) stop() {
	s.t.Helper()
	s.cancel()
	if err := s.close(<-s.done); err != nil {
		s.t.Fatal(err)
	}
}

func (s *machine) close(err error) error { return errors.Join(err, s.engine.Close(), s.db.Close()) }

// once runs the flow until it has caught up, and returns how that ended.
func (s *machine) once() error {
	o := s.options
	o.Once = true
	if err := s.open(o); err != nil {
		return err
	}
	err := <-s.done
	s.cancel()
	return s.close(err)
}

// die ends the process without warning: what is synced survives, of the rest the given part.
func (s *machine) die(percent int) {
	s.dead.Store(true)
	survives := s.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(percent), 5))})
	s.cancel()
	s.fs = survives
}

// bury waits for what is left of a process that died.
func (s *machine) bury() {
	<-s.done
	_ = s.close(nil)
}
