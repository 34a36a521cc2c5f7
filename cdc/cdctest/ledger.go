package cdctest

import (
	"bytes"
	"slices"
	"sync"

	"github.com/freshet/freshet/cdc"
)

// Ledger is a [cdc.Ledger] in memory. The zero Ledger is empty.
type Ledger struct {
	mu    sync.RWMutex
	notes map[int][]noted // by collection, in key order
}

type noted struct {
	key  cdc.Key
	note []byte
}

// Note implements [cdc.Ledger].
func (l *Ledger) Note(collection int, key cdc.Key) (note []byte, ok bool, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	i, ok := l.find(collection, key)
	if !ok {
		return nil, false, nil
	}
	return slices.Clone(l.notes[collection][i].note), true, nil
}

// Notes implements [cdc.Ledger]. The ledger may change during the walk, which then sees some of it.
func (l *Ledger) Notes(collection int, from cdc.Key, fn func(key cdc.Key, note []byte) error) error {
	next := func() (noted, bool) {
		l.mu.RLock()
		defer l.mu.RUnlock()
		i, _ := l.find(collection, from)
		if i == len(l.notes[collection]) {
			return noted{}, false
		}
		return l.notes[collection][i], true
	}
	for {
		n, ok := next()
		if !ok {
			return nil
		}
		// The slices are the callee's to spoil, as a store may overwrite its own.
		key, note := slices.Clone(n.key), slices.Clone(n.note)
		err := fn(key, note)
		spoil(key)
		spoil(note)
		if err != nil {
			return err
		}
		from = append(slices.Clone(n.key), 0) // the least key behind it
	}
}

// spoil overwrites a slice that is no longer valid, so that who kept it is found out.
func spoil(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}

// Set keeps a note.
func (l *Ledger) Set(collection int, key cdc.Key, note []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.notes == nil {
		l.notes = make(map[int][]noted)
	}
	n := noted{key: slices.Clone(key), note: slices.Clone(note)}
	i, ok := l.find(collection, key)
	if ok {
		l.notes[collection][i] = n
		return
	}
	l.notes[collection] = slices.Insert(l.notes[collection], i, n)
}

// Drop forgets the note of a key.
func (l *Ledger) Drop(collection int, key cdc.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, ok := l.find(collection, key); ok {
		l.notes[collection] = slices.Delete(l.notes[collection], i, i+1)
	}
}

// Clear forgets the notes of a collection.
func (l *Ledger) Clear(collection int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.notes, collection)
}

// Len is the number of notes of a collection.
func (l *Ledger) Len(collection int) int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.notes[collection])
}

func (l *Ledger) find(collection int, key cdc.Key) (int, bool) {
	return slices.BinarySearchFunc(l.notes[collection], key, func(n noted, key cdc.Key) int { return bytes.Compare(n.key, key) })
}

// clone copies the ledger.
func (l *Ledger) clone() *Ledger {
	l.mu.RLock()
	defer l.mu.RUnlock()
	c := &Ledger{notes: make(map[int][]noted, len(l.notes))}
	for i, n := range l.notes {
		c.notes[i] = slices.Clone(n)
	}
	return c
}
