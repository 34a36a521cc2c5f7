package statestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/internal/realpath"
)

// DBOptions says how a [DB] is opened. The zero value is a good state on the operating system's
// file system.
type DBOptions struct {
	FS vfs.FS // nil: the operating system's
	// MemoryBytes is shared by state and memo, two parts to one. Zero is 64 MiB, the least 8 MiB.
	MemoryBytes int64
	// DiskFreeBytes is the space below which [DB.CheckDisk] says that the disk is full. Zero is
	// 256 MiB; the store needs room for a compaction to finish, since a full disk stops it in the
	// middle of one.
	DiskFreeBytes int64
	Logger        *slog.Logger              // as in [Options]
	Fatal         func(code int, err error) // as in [Options]
	ReadOnly      bool                      // open without changing anything; the state must exist
}

const (
	defaultDiskFree = 256 << 20
	leastDBMemory   = 2 * leastMemory
)

// DB is the state of one flow in one directory:
//
//	VERSION   format of the state
//	LOCK      held while the state is open
//	state/    Store State: all that an epoch commits
//	memo/     Store of Memo: results by fingerprint
//	staged/   spills: files of deltas too large for a batch
//	index/    databases of embedded indexes, opened by their sinks
type DB struct {
	State *Store
	Memo  *Memo

	dir      string
	fs       vfs.FS
	diskFree int64
	readOnly bool
	lock     *pebble.Lock
	durable  atomic.Uint64
	spills   spills

	mu      sync.Mutex // guards applied: epochs become durable in their order
	applied uint64     // newest epoch that was applied by this process
}

// Open opens the state in dir, or makes one where the directory is missing or empty. It refuses,
// before it touches anything, a state that is newer ([VersionError]), in use ([InUseError]) or
// damaged ([CorruptError]).
func Open(dir string, o DBOptions) (*DB, error) {
	if o.MemoryBytes == 0 {
		o.MemoryBytes = defaultMemory
	}
	if o.DiskFreeBytes == 0 {
		o.DiskFreeBytes = defaultDiskFree
	}
	o.MemoryBytes = max(o.MemoryBytes, leastDBMemory)
	db := &DB{fs: o.FS, dir: dir, diskFree: o.DiskFreeBytes, readOnly: o.ReadOnly}
	if db.fs == nil {
		db.fs, db.dir = vfs.Default, realpath.Of(dir)
	}
	if err := db.open(o); err != nil {
		return nil, errors.Join(err, db.closeParts())
	}
	return db, nil
}

func (db *DB) open(o DBOptions) error {
	found, _, err := db.version()
	if err != nil {
		return err
	}
	if !found && o.ReadOnly {
		return fmt.Errorf("open %s: %w", db.dir, ErrNoState)
	}
	if !found {
		if err := makeDir(db.fs, db.dir); err != nil {
			return fmt.Errorf("make directory %s: %w", db.dir, err)
		}
	}
	db.lock, err = lockDir(db.fs, db.dir)
	if err != nil {
		return err
	}
	// Read again under the lock: another process may have made the state meanwhile.
	_, complete, err := db.version()
	if err != nil {
		return err
	}
	if !complete {
		if err := db.make(); err != nil {
			return err
		}
	}
	if err := db.openStores(o, complete); err != nil {
		return err
	}
	if !complete {
		if err := endVersion(db.fs, db.dir); err != nil {
			return err
		}
	}
	return db.load()
}

// version reads VERSION. A directory that holds databases without one is damaged.
func (db *DB) version() (found, complete bool, err error) {
	found, complete, err = readVersion(db.fs, db.dir)
	if found || err != nil {
		return found, complete, err
	}
	for _, part := range []string{stateDir, memoDir} {
		if _, err := db.fs.Stat(db.path(part)); err == nil {
			return false, false, &CorruptError{
				File: db.path(versionName),
				Err:  fmt.Errorf("missing, but %s is there", part),
			}
		}
	}
	return false, false, nil
}

const (
	stateDir = "state"
	memoDir  = "memo"
	spillDir = "staged"
)

// make begins a new state: VERSION first, then what a making that was cut short has left is removed.
func (db *DB) make() error {
	if db.readOnly {
		return fmt.Errorf("open %s: %w", db.dir, ErrNoState)
	}
	if err := beginVersion(db.fs, db.dir); err != nil {
		return err
	}
	for _, part := range []string{stateDir, memoDir, spillDir} {
		if err := db.fs.RemoveAll(db.path(part)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove unfinished %s: %w", part, err)
		}
	}
	return syncDir(db.fs, db.dir)
}

func (db *DB) openStores(o DBOptions, existing bool) error {
	s := Options{
		FS: o.FS, Logger: o.Logger, Fatal: o.Fatal, ReadOnly: o.ReadOnly, Existing: existing,
		MemoryBytes: o.MemoryBytes / 3 * 2,
	}
	var err error
	db.State, err = OpenStore(db.path(stateDir), s)
	if err != nil {
		return db.missing(stateDir, err)
	}
	s.MemoryBytes, s.Values, s.OpaqueKeys = o.MemoryBytes/3, true, true
	memo, err := OpenStore(db.path(memoDir), s)
	if err != nil {
		return db.missing(memoDir, err)
	}
	db.Memo = newMemo(memo)
	return nil
}

// missing turns the absence of a database that VERSION vouches for into the damage that it is.
func (db *DB) missing(part string, err error) error {
	if errors.Is(err, ErrNoState) {
		return &CorruptError{File: db.path(part), Err: errors.New("database is missing")}
	}
	return err
}

// epochKey holds the number of the newest durable epoch.
func epochKey() []byte {
	return AppendKey(nil, Key{Space: SpaceMeta, Owner: []byte("epoch")})
}

func (db *DB) load() error {
	value, ok, err := db.State.Get(epochKey())
	if err != nil {
		return fmt.Errorf("read epoch: %w", err)
	}
	if ok && len(value) != 8 {
		return &CorruptError{File: db.State.Dir(), Err: fmt.Errorf("epoch of %d bytes", len(value))}
	}
	if ok {
		db.durable.Store(binary.BigEndian.Uint64(value))
	}
	return db.spills.open(db)
}

// EpochError says that an epoch was committed out of order: the newest one is not below it, or not yet on disk.
type EpochError struct{ Epoch, Newest uint64 }

func (e *EpochError) Error() string {
	if e.Epoch > e.Newest {
		return fmt.Sprintf("commit epoch %d: epoch %d is still on its way to the disk", e.Epoch, e.Newest)
	}
	return fmt.Sprintf("commit epoch %d: epoch %d was committed already", e.Epoch, e.Newest)
}

// CommitEpoch adds the epoch's number to b, commits b with sync and then publishes the number. An
// epoch that is not above the newest one is an [EpochError] and changes nothing.
func (db *DB) CommitEpoch(b *Batch, epoch uint64) error {
	sync, err := db.ApplyEpoch(b, epoch)
	if err != nil {
		return err
	}
	sync.Wait()
	return nil
}

// EpochSync is an epoch that reads see and that is on its way to the disk.
type EpochSync struct {
	db    *DB
	epoch uint64
	wait  func()
}

// ApplyEpoch is the first half of CommitEpoch: it begins the sync, and the Wait of what it returns is the
// other half. Wait has to be called, once, before a later epoch is applied; the state does not close until then.
// The next epoch may be made meanwhile of what reads see: it cannot reach the disk without this one.
func (db *DB) ApplyEpoch(b *Batch, epoch uint64) (*EpochSync, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if durable := db.durable.Load(); epoch <= durable || db.applied > durable {
		return nil, &EpochError{Epoch: epoch, Newest: max(durable, db.applied)}
	}
	b.Put(epochKey(), binary.BigEndian.AppendUint64(nil, epoch))
	wait, err := db.State.show(b)
	if err != nil {
		return nil, fmt.Errorf("commit epoch %d: %w", epoch, err)
	}
	db.applied = epoch
	return &EpochSync{db: db, epoch: epoch, wait: wait}, nil
}

// Wait returns when the epoch is on disk, and publishes its number. A sync that fails ends the process.
func (s *EpochSync) Wait() {
	s.wait()
	// I1, I2: the number moves only now that the batch is on disk.
	s.db.durable.Store(s.epoch)
}

// DurableEpoch returns the number of the newest epoch that is on disk, zero before the first. What
// belongs to a later epoch must not leave the process: no confirmation to a source, no effect in a
// sink (I1, I2). Reads of State may see more, since a batch is visible before it is synced.
func (db *DB) DurableEpoch() uint64 { return db.durable.Load() }

// Dir returns the directory of the state.
func (db *DB) Dir() string { return db.dir }

// IndexDir returns the directory in which the sink of that name keeps an embedded index.
func (db *DB) IndexDir(sink string) string { return db.fs.PathJoin(db.dir, "index", sink) }

func (db *DB) path(part string) string { return db.fs.PathJoin(db.dir, part) }

// CheckDisk returns the bytes that are free for the state and whether they are more than the floor.
// Below the floor an engine stops pulling from its sources, says so, and asks again every second:
// a full disk gives no error, it makes writes wait for ever.
func (db *DB) CheckDisk() (free int64, ok bool, err error) {
	usage, err := db.fs.GetDiskUsage(db.dir)
	if err != nil {
		return 0, false, fmt.Errorf("read free space of %s: %w", db.dir, err)
	}
	free = int64(min(usage.AvailBytes, 1<<62))
	return free, free >= db.diskFree, nil
}

// Close closes memo and state, flushing and sealing both, and gives up the lock. Indexes opened
// under [DB.IndexDir] are closed by whoever opened them. See [Store.Close] for a full disk: then
// the state stays locked and Close may be tried again. After a Close without a [StalledError] another one returns
// [ErrClosed].
func (db *DB) Close() error {
	if db.lock == nil {
		return ErrClosed
	}
	return db.closeParts()
}

func (db *DB) closeParts() error {
	var err error
	if db.State != nil {
		err = closeOnce(db.State)
	}
	if db.Memo != nil {
		err = errors.Join(err, closeOnce(db.Memo.store))
	}
	var stalled *StalledError
	if errors.As(err, &stalled) {
		return err // a store is still open
	}
	if db.lock != nil {
		err = errors.Join(err, db.lock.Close())
		db.lock = nil
	}
	return err
}

// closeOnce closes a store that the Close before may have closed already.
func closeOnce(s *Store) error {
	if err := s.Close(); !errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}
