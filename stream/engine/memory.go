package engine

import (
	"fmt"
	"sync"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// rowTable remembers the hash of an owner's row, so that a row which comes again unchanged costs no
// read. It is a bounded table without pointers: where two keys meet, the newer one stays. The hash
// covers the key, so that a meeting is never taken for the same row.
type rowTable struct {
	slots []rowSlot
	mask  uint64
}

type rowSlot struct {
	key  uint64
	hash rowHash
}

const rowSlotBytes = 24

func newRowTable(bytes int64) *rowTable {
	n := uint64(1024)
	for int64(n*2)*rowSlotBytes <= bytes {
		n *= 2
	}
	return &rowTable{slots: make([]rowSlot, n), mask: n - 1}
}

// tableKey is never zero, which marks a free slot.
func tableKey(r *root, key cdc.Key) uint64 {
	return xxh3.HashSeed(key, uint64(r.instance)) | 1
}

const rowProbes = 4

// same reports whether the row is known to be the one that is stored.
func (t *rowTable) same(r *root, key cdc.Key, hash rowHash) bool {
	k := tableKey(r, key)
	for i := range uint64(rowProbes) {
		if s := &t.slots[(k>>1+i)&t.mask]; s.key == k {
			return s.hash == hash
		}
	}
	return false
}

func (t *rowTable) put(r *root, key cdc.Key, hash rowHash) {
	k := tableKey(r, key)
	free := -1
	for i := range uint64(rowProbes) {
		at := int((k>>1 + i) & t.mask)
		if t.slots[at].key == k {
			t.slots[at].hash = hash
			return
		}
		if t.slots[at].key == 0 && free < 0 {
			free = at
		}
	}
	if free < 0 {
		free = int((k>>1 + k>>61) & t.mask)
	}
	t.slots[free] = rowSlot{key: k, hash: hash}
}

func (t *rowTable) forget(r *root, key cdc.Key) {
	k := tableKey(r, key)
	for i := range uint64(rowProbes) {
		if s := &t.slots[(k>>1+i)&t.mask]; s.key == k {
			*s = rowSlot{}
			return
		}
	}
}

// answers is the memo as evaluation sees it: what is stored, and what was computed in this epoch.
// It is safe for concurrent use by the evaluators of an epoch.
type answers struct {
	memo *statestore.Memo

	mu      sync.Mutex
	fresh   map[stream.Fingerprint]*freshAnswer      // of this epoch, by inline models
	known   map[stream.Fingerprint]struct{}          // a bounded part of what the memo holds
	whole   bool                                     // known is all of it: what is not there need not be looked for
	storing map[statestore.Fingerprint]chan struct{} // on their way to the disk; closed when they are there
	limit   int
}

type freshAnswer struct {
	once  sync.Once
	value []byte // nil: the memo has it; read and set under the lock of the answers
	err   error
}

const knownBytes = 48 // of a map entry, roughly

func newAnswers(memo *statestore.Memo, bytes int64) (*answers, error) {
	empty, err := memo.Empty()
	return &answers{memo: memo, fresh: map[stream.Fingerprint]*freshAnswer{}, known: map[stream.Fingerprint]struct{}{},
		storing: map[statestore.Fingerprint]chan struct{}{}, whole: empty,
		limit: int(bytes / knownBytes)}, err
}

func (a *answers) has(call stream.Fingerprint) (bool, error) {
	a.mu.Lock()
	_, known := a.known[call]
	storing := a.storing[statestore.Fingerprint(call)]
	absent := !known && storing == nil && a.whole
	a.mu.Unlock()
	if known || absent {
		return known, nil
	}
	if storing != nil {
		<-storing // I2: it can be read before it is synced, and an epoch may not refer to it before
	}
	ok, err := a.memo.Has(statestore.Fingerprint(call))
	if ok {
		a.learn(call)
	}
	return ok, err
}

func (a *answers) get(dst []byte, call stream.Fingerprint) ([]byte, bool, error) {
	a.mu.Lock()
	var value []byte
	if f := a.fresh[call]; f != nil {
		value = f.value
	}
	a.mu.Unlock()
	if value != nil {
		return append(dst, value...), true, nil
	}
	return a.memo.AppendGet(dst, statestore.Fingerprint(call))
}

// inline asks a cheap model, once for equal calls of an epoch; the result is given to whom paid is told.
func (a *answers) inline(n *callNode, call stream.Fingerprint, input []byte) (result []byte, paid bool, err error) {
	a.mu.Lock()
	f := a.fresh[call]
	if f == nil {
		f = &freshAnswer{}
		a.fresh[call] = f
	}
	a.mu.Unlock()
	f.once.Do(func() {
		paid = true
		var results [][]byte
		if results, f.err = n.inline.Answer([][]byte{input}); f.err == nil {
			result = results[0]
			a.mu.Lock()
			f.value = result
			a.mu.Unlock()
		}
	})
	return result, paid, f.err
}

// keep makes answers of inline models durable: from then on the memo has them, and the epoch's memory has not.
func (a *answers) keep(answered []memoWrite) error {
	if len(answered) == 0 {
		return nil
	}
	entries := make([]statestore.Entry, len(answered))
	for i, m := range answered {
		entries[i] = statestore.Entry{Fingerprint: statestore.Fingerprint(m.call), Value: m.value}
	}
	if err := a.memo.Put(entries); err != nil {
		return fmt.Errorf("remember results: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range answered {
		a.learnLocked(m.call)
		if f := a.fresh[m.call]; f != nil {
			f.value = nil
		}
	}
	return nil
}

// put makes results of remote models durable.
func (a *answers) put(entries []statestore.Entry) (err error) {
	stored := make(chan struct{})
	a.mu.Lock()
	for i := range entries {
		a.storing[entries[i].Fingerprint] = stored
	}
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for i := range entries {
			if a.storing[entries[i].Fingerprint] == stored {
				delete(a.storing, entries[i].Fingerprint)
			}
			if err == nil {
				a.learnLocked(stream.Fingerprint(entries[i].Fingerprint))
			}
		}
		close(stored)
	}()
	return a.memo.Put(entries)
}

// learn remembers that the memo holds an answer.
func (a *answers) learn(call stream.Fingerprint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.learnLocked(call)
}

func (a *answers) learnLocked(call stream.Fingerprint) {
	if _, known := a.known[call]; !known && len(a.known) >= a.limit {
		clear(a.known)
		a.whole = false
	}
	a.known[call] = struct{}{}
}

// forget drops what a sweep has removed.
func (a *answers) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.known)
	a.whole = false
}

// endEpoch drops the results of the epoch, which are in the memo now.
func (a *answers) endEpoch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.fresh)
}
