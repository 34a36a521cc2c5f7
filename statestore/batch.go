package statestore

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Batch collects writes that become visible and durable together. It belongs to one goroutine and
// to the Store that made it. Later writes of a key win. Keys and values are copied.
type Batch struct {
	store *Store
	b     *pebble.Batch
	err   error // first write that the batch could not take; Commit returns it
	done  bool  // committed and not reset since
}

// keptBatch is how large a buffer Reset keeps for the next use.
const keptBatch = 8 << 20

// NewBatch returns an empty batch.
func (s *Store) NewBatch() *Batch { return s.NewBatchOf(0) }

// NewBatchOf returns an empty batch with room for that many bytes, so that one that will be large is not
// copied while it grows.
func (s *Store) NewBatchOf(bytes int) *Batch {
	b := &Batch{store: s}
	if err := s.begin(); err != nil {
		b.err = err
		return b
	}
	defer s.gate.leave()
	b.b = s.db.NewBatchWithSize(bytes, pebble.WithMaxRetainedSizeBytes(keptBatch))
	return b
}

// Put sets key to value.
func (b *Batch) Put(key, value []byte) {
	if b.err == nil {
		b.err = b.b.Set(key, value, nil)
	}
}

// PutDeferred makes room for a key and a value of the given lengths, to be filled in place before
// the next call on the batch.
func (b *Batch) PutDeferred(keyLen, valueLen int) (key, value []byte) {
	if b.err != nil {
		return make([]byte, keyLen), make([]byte, valueLen)
	}
	op := b.b.SetDeferred(keyLen, valueLen)
	return op.Key, op.Value
}

// Delete removes key.
func (b *Batch) Delete(key []byte) {
	if b.err == nil {
		b.err = b.b.Delete(key, nil)
	}
}

// DeleteRange removes every key in [from, to). It is for rare and large ranges, such as an instance
// that was dropped: each one costs later reads, so a few keys are better deleted one by one.
func (b *Batch) DeleteRange(from, to []byte) {
	if b.err == nil {
		b.err = b.b.DeleteRange(from, to, nil)
	}
}

// Len returns the size of the batch in bytes.
func (b *Batch) Len() int {
	if b.b == nil {
		return 0
	}
	return b.b.Len()
}

// Count returns the number of writes in the batch.
func (b *Batch) Count() int {
	if b.b == nil {
		return 0
	}
	return int(b.b.Count())
}

// Reset empties the batch for another use, after a commit or instead of one.
func (b *Batch) Reset() {
	if b.b != nil {
		b.err, b.done = nil, false
		b.b.Reset()
	}
}

var (
	errForeignBatch   = errors.New("batch belongs to another store")
	errCommittedBatch = errors.New("batch was committed and not reset")
)

// Commit applies the batch. With sync it returns once the batch is on disk; when a write or sync
// fails it does not return, the process ends (see Options.Fatal). Without sync the batch is visible
// at once but lost by kill -9 as well as by a power failure, until a later synced commit: that is
// only for what can be computed again. The batch must be Reset before it is used again. Commit
// waits while the store is stalled, see [Store.Stats].
func (s *Store) Commit(b *Batch, sync bool) error {
	if sync {
		return s.CommitShown(b, func() {})
	}
	if err := s.begin(); err != nil {
		return err
	}
	defer s.gate.leave()
	return s.apply(b, func() error { return s.db.Apply(b.b, pebble.NoSync) })
}

// CommitShown is Commit with sync that calls shown as soon as reads see the batch, before it is on disk: for what
// somebody else holds durably and brings again after a crash.
func (s *Store) CommitShown(b *Batch, shown func()) error {
	wait, err := s.show(b)
	if err != nil {
		return err
	}
	shown()
	wait()
	return nil
}

// show applies a batch and begins its sync. Reads see it when show returns; it is on disk when wait has returned,
// which has to be called once: the store stays open until then. A sync that fails ends the process. Batches reach the disk in
// the order in which they are shown.
func (s *Store) show(b *Batch) (wait func(), err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	if err := s.apply(b, func() error { return s.db.ApplyNoSyncWait(b.b, pebble.Sync) }); err != nil {
		s.gate.leave()
		return nil, err
	}
	return func() {
		defer s.gate.leave()
		if err := b.b.SyncWait(); err != nil {
			s.log.die(err, err) // reads have seen what may not be on disk
		}
		s.raiseSynced(uint64(b.b.SeqNum()) + uint64(b.b.Count()))
	}, nil
}

func (s *Store) apply(b *Batch, apply func() error) error {
	switch {
	case b.err != nil:
		return s.failed("commit to", b.err)
	case b.store != s || b.b == nil:
		return errForeignBatch
	case b.done:
		return errCommittedBatch
	case s.readOnly:
		return ErrReadOnly
	}
	// Pebble panics with the error when a write to its log fails while another goroutine waits for
	// a sync of the same log: the state of the log is unknown then, as after a failed sync.
	defer func() {
		if r := recover(); r != nil {
			err, ok := r.(error)
			if !ok || errors.Is(err, pebble.ErrClosed) {
				panic(r)
			}
			s.log.die(err, err)
		}
	}()
	b.done = true
	note := binary.LittleEndian.AppendUint64(nil, s.synced.Load())
	if err := b.b.LogData(note, nil); err != nil {
		return s.failed("commit to", err)
	}
	return s.failed("commit to", apply())
}

// syncedNote is the size of the note that every batch carries into the log, where it is read only
// after a crash: the sequence number below which everything had been synced before. It is how a
// flipped bit in the log is told from a torn end.
const syncedNote = 8

func (s *Store) raiseSynced(seq uint64) {
	for {
		old := s.synced.Load()
		if seq <= old || s.synced.CompareAndSwap(old, seq) {
			return
		}
	}
}
