package statestore

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Get returns a copy of the value of key, and whether there is one.
func (s *Store) Get(key []byte) (value []byte, ok bool, err error) {
	return s.AppendGet(nil, key)
}

// AppendGet appends the value of key to dst and reports whether there is one. It allocates nothing
// when dst has room.
func (s *Store) AppendGet(dst, key []byte) (value []byte, ok bool, err error) {
	err = s.point(key, func(v []byte) {
		if dst == nil {
			dst = make([]byte, 0, len(v)) // a value of no bytes is there: not nil
		}
		dst, ok = append(dst, v...), true
	})
	return dst, ok, err
}

// Has reports whether key has a value.
func (s *Store) Has(key []byte) (ok bool, err error) {
	err = s.point(key, func([]byte) { ok = true })
	return ok, err
}

// point calls found with the value of key if there is one.
func (s *Store) point(key []byte, found func(value []byte)) (err error) {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.gate.leave()
	defer s.survive(&err)
	// Pebble's own Get does not use the bloom filters of the last level, where nearly all keys are:
	// a miss would read a block.
	it, err := s.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return s.failed("read", err)
	}
	defer func() {
		if closeErr := it.Close(); err == nil {
			err = s.failed("read", closeErr)
		}
	}()
	if !it.SeekPrefixGE(key) || !bytes.Equal(it.Key(), key) {
		// I10: a read that failed is not an absence.
		return s.failed("read", it.Error())
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return s.failed("read", err)
	}
	found(value)
	return nil
}

// GetSorted reads keys, which must ascend, with one iterator that only moves forward: many times
// cheaper than a Get each. It calls fn for every key in order; value is valid during the call.
// [ErrStop] ends it early.
func (s *Store) GetSorted(keys [][]byte, fn func(i int, value []byte, ok bool) error) (err error) {
	if len(keys) == 0 {
		return nil
	}
	if err := s.begin(); err != nil {
		return err
	}
	defer s.gate.leave()
	defer s.survive(&err)
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound:   keys[0],
		UpperBound:   append(bytes.Clone(keys[len(keys)-1]), 0),
		UseL6Filters: true,
	})
	if err != nil {
		return s.failed("read", err)
	}
	defer it.Close()
	w := walk{it: it, dense: true}
	for i, key := range keys {
		if i > 0 && bytes.Compare(keys[i-1], key) > 0 {
			return errUnsorted
		}
		value, ok, err := w.get(key)
		// I10: a read that failed is not an absence.
		if err != nil {
			return s.failed("read", err)
		}
		if err := fn(i, value, ok); err != nil {
			return stopped(err)
		}
	}
	return nil
}

// walk goes through a store by ascending keys. Where the keys lie close, the next one is a step or two away;
// elsewhere it is sought by way of the filters, which know what is not there.
type walk struct {
	it     *pebble.Iterator
	dense  bool // it stands at the first key that is not below the last one asked for, or has not been moved
	moved  bool
	asked  int
	sought int // of asked, those that steps did not reach
}

const (
	walkSteps  = 16 // that cost about as much as a seek
	walkSample = 64 // keys after which it is known whether they lie close
)

func (w *walk) get(key []byte) (value []byte, ok bool, err error) {
	if !w.dense {
		return w.seek(key)
	}
	w.asked++
	if w.asked > walkSample && 2*w.sought > w.asked {
		w.dense = false
		return w.seek(key)
	}
	valid := w.it.Valid()
	for step := 0; valid && step < walkSteps && bytes.Compare(w.it.Key(), key) < 0; step++ {
		valid = w.it.Next()
	}
	if !w.moved || valid && bytes.Compare(w.it.Key(), key) < 0 {
		w.moved = true
		w.sought++
		valid = w.it.SeekGE(key)
	}
	if !valid {
		return nil, false, w.it.Error()
	}
	if !bytes.Equal(w.it.Key(), key) {
		return nil, false, nil
	}
	value, err = w.it.ValueAndErr()
	return value, err == nil, err
}

func (w *walk) seek(key []byte) (value []byte, ok bool, err error) {
	if !w.it.SeekPrefixGE(key) || !bytes.Equal(w.it.Key(), key) {
		return nil, false, w.it.Error()
	}
	value, err = w.it.ValueAndErr()
	return value, err == nil, err
}

var errUnsorted = errors.New("keys do not ascend")

// Scan calls fn for every key in [from, to) in order, as the store was when Scan began; a nil bound
// is open. Key and value are valid during the call. [ErrStop] ends it early. An error means that
// the range was not seen whole, so nothing may be concluded from what fn did not see (I10).
func (s *Store) Scan(from, to []byte, fn func(key, value []byte) error) (err error) {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.gate.leave()
	defer s.survive(&err)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return s.failed("scan", err)
	}
	defer it.Close()
	for valid := it.First(); valid; valid = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return s.failed("scan", err)
		}
		if err := fn(it.Key(), value); err != nil {
			return stopped(err)
		}
	}
	// I10: a damaged table ends the loop like the end of the range does.
	return s.failed("scan", it.Error())
}

func stopped(err error) error {
	if errors.Is(err, ErrStop) {
		return nil
	}
	return err
}
