package statestore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/internal/realpath"
)

// Options says how a [Store] is opened. The zero value is a good store on the operating system's
// file system.
type Options struct {
	// FS is the file system; nil is the operating system's. Tests swap the file system, not the
	// store.
	FS vfs.FS
	// MemoryBytes bounds block cache and memtables together. Zero is 64 MiB; less than 4 MiB is
	// taken as 4 MiB.
	MemoryBytes int64
	// Logger receives what no caller can be told: stalls, background errors, slow disks. Nil
	// discards it.
	Logger *slog.Logger
	// Fatal ends the process with code [ExitDisk] or [ExitCorrupt] and must not return. It is
	// called when a write or a sync has failed, since nothing can then be known to be durable. Nil
	// prints error and hint to standard error and calls os.Exit.
	Fatal func(code int, err error)
	// ReadOnly opens without changing a byte of the database. The directory is locked all the same.
	ReadOnly bool
	// Existing says that the database must be there already: without it an open is [ErrNoState].
	Existing bool
	// Values tunes for values of a kilobyte and more.
	Values bool
	// OpaqueKeys says that keys are any bytes in the order of bytes.Compare, not encodings of
	// [Key]. It is fixed when the database is made.
	OpaqueKeys bool
}

// Store is one database directory. Its methods may be called by many goroutines.
type Store struct {
	dir      string
	fs       vfs.FS
	db       *pebble.DB
	log      pebbleLog
	watch    *watch
	gate     *gate
	synced   atomic.Uint64  // sequence number below which everything is on disk
	release  []func() error // what to give back after the database is closed, last first
	readOnly bool
	opaque   bool
}

// OpenStore opens the database in dir and makes it if there is none. The errors that a caller may
// want to tell apart are [InUseError], [CorruptError] and [ErrNoState].
func OpenStore(dir string, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Fatal == nil {
		o.Fatal = exit
	}
	s := &Store{
		log:      pebbleLog{log: o.Logger.With("store", filepath.Base(dir)), fatal: o.Fatal},
		gate:     newGate(),
		readOnly: o.ReadOnly,
		opaque:   o.OpaqueKeys,
	}
	s.watch = newWatch(s.log.log)
	s.dir, s.fs = s.locate(dir, o.FS)
	if err := s.open(o); err != nil {
		return nil, errors.Join(err, s.giveBack())
	}
	return s, nil
}

// slowDisk is how long one write may take before it is reported.
const slowDisk = 2 * time.Second

// fullDiskPause is how long a write that found the disk full waits before it is tried once more.
// It also keeps Pebble, which tries a failed flush again at once, from spinning.
const fullDiskPause = 200 * time.Millisecond

func (s *Store) locate(dir string, fs vfs.FS) (string, vfs.FS) {
	if fs == nil {
		dir = realpath.Of(dir) // the lock of a process against itself goes by name
		slow, stop := vfs.WithDiskHealthChecks(vfs.Default, slowDisk, nil, func(info vfs.DiskSlowInfo) {
			s.watch.diskSlow(info.Path, info.Duration)
		})
		s.release = append(s.release, stop.Close)
		fs = slow
	}
	return dir, disk{FS: vfs.OnDiskFull(fs, func() { time.Sleep(fullDiskPause) }), die: s.log.die}
}

func (s *Store) open(o Options) error {
	if !o.ReadOnly && !o.Existing {
		if err := makeDir(s.fs, s.dir); err != nil {
			return fmt.Errorf("make directory %s: %w", s.dir, err)
		}
	}
	if _, err := s.fs.Stat(s.dir); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("open %s: %w", s.dir, ErrNoState)
	}
	lock, err := lockDir(s.fs, s.dir)
	if err != nil {
		return err
	}
	s.release = append(s.release, lock.Close)
	opts := pebbleOptions(o, s.fs, s.log, s.watch, lock)
	if err := inspect(s.fs, s.dir, opts); err != nil {
		return err
	}
	if !o.ReadOnly {
		// From here on the files change; a seal that outlived that would call it damage.
		if err := breakSeal(s.fs, s.dir); err != nil {
			return err
		}
	}
	// What the logs hold is flushed before Pebble gives the database out, and tried for ever: nobody could
	// say so or stop it yet. Without a word, a process would hang there until somebody killed it (I10).
	s.watch.whileOpening(func(err error) { s.log.die(fmt.Errorf("open state: %w", err), err) })
	s.db, err = pebble.Open(s.dir, opts)
	s.watch.whileOpening(nil)
	if err != nil {
		return s.openError(err)
	}
	return nil
}

func (s *Store) openError(err error) error {
	if errors.Is(err, pebble.ErrDBDoesNotExist) {
		return fmt.Errorf("open %s: %w", s.dir, ErrNoState)
	}
	if damage := asDamage(s.fs, s.dir, err); damage != nil {
		return s.watch.found(damage)
	}
	return fmt.Errorf("open %s: %w", s.dir, err)
}

// Dir returns the directory of the store.
func (s *Store) Dir() string { return s.dir }

// begin admits an operation; whoever gets no error must call s.gate.leave.
func (s *Store) begin() error {
	if !s.gate.enter() {
		return ErrClosed
	}
	// I10: a store that is known to be damaged gives no answer that could drive a delete.
	if damage := s.watch.damage.Load(); damage != nil {
		s.gate.leave()
		return damage
	}
	return nil
}

// failed turns an error of Pebble into ours.
func (s *Store) failed(verb string, err error) error {
	switch {
	case err == nil:
		return nil
	case IsCorrupt(err):
		// Pebble has reported the file to watch before it returned the error; the path here is
		// for damage that it returns without a report.
		return s.watch.found(asDamage(s.fs, s.dir, err))
	case errors.Is(err, pebble.ErrReadOnly):
		return ErrReadOnly
	default:
		return fmt.Errorf("%s %s: %w", verb, s.dir, err)
	}
}

// Err returns the damage that has been seen, or nil.
func (s *Store) Err() error {
	if damage := s.watch.damage.Load(); damage != nil {
		return damage
	}
	return nil
}

// Flush writes what is in memory to sorted files, so that no log is left to replay.
func (s *Store) Flush() error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.gate.leave()
	return s.flush()
}

// flush waits for the memtables to be written, or for the first failure: a full disk never ends
// the wait by itself.
func (s *Store) flush() error {
	if s.readOnly {
		return ErrReadOnly
	}
	if d, err := s.watch.stalled(); d > 0 && err != nil {
		return &StalledError{Path: s.dir, For: d, Err: err}
	}
	failure := s.watch.whenFlushFails()
	done, err := s.db.AsyncFlush()
	if err != nil {
		return s.failed("flush", err)
	}
	select {
	case <-done:
		return nil
	case <-failure:
		_, err := s.watch.stalled()
		return s.failed("flush", err)
	}
}

// Close waits for the operations that have begun, flushes, closes the database and seals its
// files. When writes are stalled by a disk that stays full, Close returns a [StalledError] and the
// store stays open: leave the process without it, nothing acknowledged is lost. A second Close
// returns [ErrClosed].
func (s *Store) Close() error {
	if !s.gate.shut() {
		return ErrClosed
	}
	select {
	case <-s.gate.drained:
	case <-s.watch.whenStuck():
		if s.gate.reopen() {
			d, err := s.watch.stalled()
			return &StalledError{Path: s.dir, For: d, Err: err}
		}
	}
	var flushErr error
	clean := !s.readOnly && s.Err() == nil
	if clean {
		flushErr = s.flush()
	}
	closeErr := s.failed("close", s.db.Close())
	s.db = nil
	if clean && flushErr == nil && closeErr == nil {
		closeErr = seal(s.fs, s.dir)
	}
	return errors.Join(flushErr, closeErr, s.giveBack())
}

func (s *Store) giveBack() error {
	var errs []error
	for i := len(s.release) - 1; i >= 0; i-- {
		errs = append(errs, s.release[i]())
	}
	s.release = nil
	return errors.Join(errs...)
}
