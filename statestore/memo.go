package statestore

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
)

// Fingerprint names a result by the hash of all that it depends on.
type Fingerprint [16]byte

// Compare orders fingerprints as bytes.
func (f Fingerprint) Compare(other Fingerprint) int { return bytes.Compare(f[:], other[:]) }

// String returns the fingerprint in hexadecimal.
func (f Fingerprint) String() string { return fmt.Sprintf("%x", f[:]) }

// Entry is a result and its name.
type Entry struct {
	Fingerprint Fingerprint
	Value       []byte
}

// Memo keeps results by fingerprint in a store of its own. What it returned from Put is on disk, so
// an epoch that refers to it may be committed (I2, I7). Entries are removed by a sweep, see
// [DB.PlanSweep]; one that a sweep has condemned is a miss at once.
type Memo struct {
	store *Store

	mu        sync.RWMutex             // held for writing while the condemned are deleted
	condemned map[Fingerprint]struct{} // misses, and deleted once their epoch is durable
	sweep     *SweepPlan               // the plan that is neither finished nor abandoned
}

func newMemo(s *Store) *Memo {
	return &Memo{store: s, condemned: map[Fingerprint]struct{}{}}
}

// memoBatch is about how many bytes of entries are written at a time: they are in memory twice meanwhile (I9).
const memoBatch = 4 << 20

// Put stores entries; they are on disk when it returns. A crash may leave some of them, which are true all the same. An
// entry that a sweep has condemned lives again.
func (m *Memo) Put(entries []Entry) error {
	m.pardon(entries)
	// The read lock keeps the sweep's delete from coming between: it either saw the pardon or is
	// done, and then this write is the later one.
	m.mu.RLock()
	defer m.mu.RUnlock()
	for len(entries) > 0 {
		n, size := 0, 0
		for ; n < len(entries) && (n == 0 || size < memoBatch); n++ {
			size += len(entries[n].Fingerprint) + len(entries[n].Value) + 16
		}
		b := m.store.NewBatchOf(size)
		for i := range entries[:n] {
			b.Put(entries[i].Fingerprint[:], entries[i].Value)
		}
		entries = entries[n:]
		if err := m.store.Commit(b, len(entries) == 0); err != nil { // its sync takes those before along
			return err
		}
	}
	return nil
}

func (m *Memo) pardon(entries []Entry) {
	m.mu.RLock()
	any := slices.ContainsFunc(entries, func(e Entry) bool { return m.isCondemned(e.Fingerprint) })
	m.mu.RUnlock()
	if !any {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range entries {
		delete(m.condemned, e.Fingerprint)
	}
}

// isCondemned is called with mu held.
func (m *Memo) isCondemned(fp Fingerprint) bool {
	if len(m.condemned) == 0 {
		return false
	}
	_, ok := m.condemned[fp]
	return ok
}

// Get returns a copy of the result, and whether there is one.
func (m *Memo) Get(fp Fingerprint) (value []byte, ok bool, err error) {
	return m.AppendGet(nil, fp)
}

// AppendGet appends the result to dst and reports whether there is one. It allocates nothing when
// dst has room.
func (m *Memo) AppendGet(dst []byte, fp Fingerprint) (value []byte, ok bool, err error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.isCondemned(fp) {
		return dst, false, nil
	}
	return m.store.AppendGet(dst, fp[:])
}

// Has reports whether there is a result. A miss is cheap.
func (m *Memo) Has(fp Fingerprint) (bool, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.isCondemned(fp) {
		return false, nil
	}
	return m.store.Has(fp[:])
}

// Empty reports whether no result is stored.
func (m *Memo) Empty() (bool, error) {
	empty := true
	err := m.store.Scan(nil, nil, func(_, _ []byte) error {
		empty = false
		return ErrStop
	})
	return empty && err == nil, err
}

// Err returns the damage that has been seen in the memo, or nil.
func (m *Memo) Err() error { return m.store.Err() }

// Stats returns the figures of the memo's store.
func (m *Memo) Stats() Stats { return m.store.Stats() }
