package vector

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/freshet/freshet/sinks/vector/kernel"
	"github.com/freshet/freshet/statestore"
)

// Index is an open vector index. Its methods may be called by many goroutines: searches never wait for writes;
// writes, maintenance and Close take turns. Nothing runs between calls: whoever owns the index calls [Index.Run] or
// [Index.Maintain].
//
// Lock order: maintenance, writer, mu, terms.mu.
type Index struct {
	dir   string
	opts  Options
	enc   *encoder
	conf  config
	store *statestore.Store
	tune  tuning

	maintenance sync.Mutex // held by whoever maintains

	writer   sync.Mutex // held by whoever changes rows
	space    *space
	progress progress
	failed   error  // a commit whose outcome is unknown: nothing may be written after it
	saved    uint64 // sequence of the codes snapshot on disk
	changed  uint64 // rows changed since that snapshot

	mu         sync.Mutex
	published  *sync.Cond // a commit has ended
	current    *state
	views      []openView // by ascending epoch
	pinned     int        // views that must be able to read the payload of every row they see
	committing bool       // the truth may be newer than current
	shelving   bool       // that commit has put the payloads it replaces on the shelf
	shelf      shelf
	closed     bool

	searches  atomic.Uint64
	searching atomic.Int64 // searches under way
	audited   atomic.Pointer[Report]
}

// state is what readers see: a fixed set of rows. It is immutable.
type state struct {
	epoch    uint64 // counts publications since open; unlike the engine's epochs it is not durable
	layout   *layout
	blocks   []*block // by number, those in no list too
	rows     int
	progress progress
}

// Open opens the index in dir and makes it if there is none. A [ConfigError] says that the index there has other
// dimensions, another metric or an encoding that this program does not read; a statestore.CorruptError that its
// files are damaged. The caller closes the index.
func Open(dir string, o Options) (*Index, error) { return open(dir, o, kernel.Best()) }

func open(dir string, o Options, set kernel.Set) (*Index, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("open vector index %s: %w", dir, err)
	}
	o = o.withDefaults()
	x := &Index{dir: dir, opts: o, enc: newEncoder(o.Dims, o.Metric, set)}
	x.published = sync.NewCond(&x.mu)
	x.space = newSpace(x.enc)
	if err := makeDir(o.FS, dir); err != nil {
		return nil, fmt.Errorf("open vector index: %w", err)
	}
	store, err := statestore.OpenStore(o.FS.PathJoin(dir, "truth"), statestore.Options{
		FS: storeFS(o), MemoryBytes: o.storeBytes(), Logger: o.Logger, Fatal: o.Fatal, OpaqueKeys: true,
	})
	if err != nil {
		return nil, fmt.Errorf("open vector index %s: %w", dir, err)
	}
	x.store = store
	if err := syncDir(o.FS, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("sync directory %s: %w", dir, err), store.Close())
	}
	if err := x.load(); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	x.current = x.state(firstEpoch)
	return x, nil
}

// loadConfig reads what the index was created with, or creates it.
func (x *Index) loadConfig() error {
	want := config{encoding: encodingVersion, dims: uint32(x.opts.Dims), metric: x.opts.Metric}
	value, ok, err := x.store.Get(configKey)
	if err != nil {
		return fmt.Errorf("read index configuration: %w", err)
	}
	if !ok {
		return x.create(want)
	}
	if x.conf, err = decodeConfig(value); err != nil {
		return x.corrupt("read index configuration", err)
	}
	for _, f := range []struct {
		name              string
		stored, requested any
	}{
		{"encoding", x.conf.encoding, want.encoding},
		{"dims", x.conf.dims, want.dims},
		{"metric", x.conf.metric, want.metric},
	} {
		if f.stored != f.requested {
			return &ConfigError{Dir: x.dir, Field: f.name, Stored: fmt.Sprint(f.stored), Requested: fmt.Sprint(f.requested)}
		}
	}
	return nil
}

// create writes the configuration of a new index, unless the store holds rows: then the record of it was lost.
func (x *Index) create(want config) error {
	err := x.store.Scan(nil, nil, func(_, _ []byte) error { return errors.New("index configuration is missing") })
	if err != nil {
		return x.corrupt("read index configuration", err)
	}
	if _, err := rand.Read(want.identity[:]); err != nil {
		return fmt.Errorf("draw index identity: %w", err)
	}
	x.conf = want
	b := x.store.NewBatch()
	b.Put(configKey, want.encode())
	b.Put(progressKey, progress{}.encode())
	if err := x.store.Commit(b, true); err != nil {
		return fmt.Errorf("write index configuration: %w", err)
	}
	return nil
}

// Progress returns the generation and epoch of the last transaction that was applied, and the bytes that its Txn
// carried. They are durable. The caller owns extra.
func (x *Index) Progress() (generation, epoch uint64, extra []byte) {
	p := x.now().progress
	return p.generation, p.epoch, append([]byte(nil), p.extra...)
}

// Fence makes the index refuse every generation below the one given, durably, before its first write (I3). A lower
// generation than one that is in force is a [FencedError].
func (x *Index) Fence(ctx context.Context, generation uint64) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("fence vector index: %w", err)
	}
	x.writer.Lock()
	defer x.writer.Unlock()
	if err := x.writable(); err != nil {
		return fmt.Errorf("fence vector index: %w", err)
	}
	switch {
	case generation < x.progress.fence:
		return &FencedError{Generation: generation, Fence: x.progress.fence}
	case generation == x.progress.fence:
		return nil
	}
	p := x.progress
	p.fence = generation
	b := x.store.NewBatch()
	b.Put(progressKey, p.encode())
	if err := x.store.Commit(b, true); err != nil {
		x.failed = err
		return fmt.Errorf("fence vector index: %w", err)
	}
	x.progress = p
	x.publish(x.now().epoch)
	return nil
}

// writable returns why the index takes no writes, or nil; the caller holds writer.
func (x *Index) writable() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return ErrClosed
	}
	return x.failed
}

// now returns what readers see.
func (x *Index) now() *state {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.current
}

// publish shows the rows of space to readers, all at once; the caller holds writer.
func (x *Index) publish(epoch uint64) {
	next := x.state(epoch)
	x.mu.Lock()
	x.current = next
	x.endCommitLocked()
	x.mu.Unlock()
}

// state returns the rows of space as a state; the caller holds writer.
func (x *Index) state(epoch uint64) *state {
	s := x.space
	return &state{epoch: epoch, layout: s.layout, blocks: s.blocks, rows: s.rows, progress: x.progress}
}

func (x *Index) endCommitLocked() {
	x.committing, x.shelving = false, false
	x.published.Broadcast()
}

// recycle frees what no open view sees; the caller holds writer.
func (x *Index) recycle() {
	x.mu.Lock()
	oldest := x.oldestLocked()
	x.shelf.forget(oldest)
	x.mu.Unlock()
	x.space.recycle(oldest)
}

// Len returns the number of rows.
func (x *Index) Len() int { return x.now().rows }

// Close writes the codes snapshot if much has changed since the last, flushes and closes the store. Views that are
// still open return [ErrClosed] from then on. It waits for maintenance: end the context of [Index.Run] first. A second
// Close returns ErrClosed.
func (x *Index) Close() error {
	x.maintenance.Lock()
	defer x.maintenance.Unlock()
	x.writer.Lock()
	defer x.writer.Unlock()
	x.mu.Lock()
	if x.closed {
		x.mu.Unlock()
		return ErrClosed
	}
	x.closed = true
	x.published.Broadcast()
	x.mu.Unlock()
	var err error
	if x.failed == nil && x.store.Err() == nil && x.snapshotDue(tailAtClose) {
		err = x.saveSnapshot(context.Background())
	}
	return errors.Join(err, x.store.Close())
}
