package vector

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
)

// termSet names an interned set of terms; 0 is the empty set.
type termSet uint32

// terms finds the slots whose rows carry a term. A bitmap may name slots that a view does not see, never miss one
// that it does: bits are set before a row's birth is published and cleared only when no view sees the row. So a
// bitmap cut with the visibility of each slot is exact for every view.
//
// Only the writer changes it; readers share it under mu.
type terms struct {
	mu      sync.RWMutex
	bitmaps map[string]*roaring.Bitmap
	ids     map[string]termSet
	sets    []*interned // by termSet
	freed   []termSet
	held    int64 // bytes of names, about
}

type interned struct {
	name  string // the encoding of names, the key in ids
	names []string
	refs  int
}

func newTerms() *terms {
	return &terms{bitmaps: map[string]*roaring.Bitmap{}, ids: map[string]termSet{}, sets: []*interned{{}}}
}

// encodeTerms writes terms sorted and without duplicates, each after its length: the form in records.
func encodeTerms(dst []byte, list [][]byte) []byte {
	if len(list) == 0 {
		return dst
	}
	list = slices.Clone(list)
	slices.SortFunc(list, slices.Compare[[]byte])
	list = slices.CompactFunc(list, slices.Equal[[]byte])
	for _, term := range list {
		dst = binary.AppendUvarint(dst, uint64(len(term)))
		dst = append(dst, term...)
	}
	return dst
}

// decodeTerms is the reverse of encodeTerms.
func decodeTerms(b []byte) ([]string, bool) {
	var names []string
	for len(b) > 0 {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return nil, false
		}
		names = append(names, string(b[w:w+int(n)]))
		b = b[w+int(n):]
	}
	return names, true
}

// intern returns the set of an encoding, with one more reference to it.
func (t *terms) intern(encoding []byte) termSet {
	if len(encoding) == 0 {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.ids[string(encoding)]; ok {
		t.sets[id].refs++
		return id
	}
	names, _ := decodeTerms(encoding)
	set := &interned{name: string(encoding), names: names, refs: 1}
	var id termSet
	if n := len(t.freed); n > 0 {
		id, t.freed = t.freed[n-1], t.freed[:n-1]
		t.sets[id] = set
	} else {
		id = termSet(len(t.sets))
		t.sets = append(t.sets, set)
	}
	t.ids[set.name] = id
	t.held += int64(2*len(set.name)) + 128
	return id
}

// retain adds a reference to a set.
func (t *terms) retain(id termSet) {
	if id != 0 {
		t.mu.Lock()
		t.sets[id].refs++
		t.mu.Unlock()
	}
}

// encoding returns the encoding of a set that a visible row has.
func (t *terms) encoding(id termSet) string {
	if id == 0 {
		return ""
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.sets[id].name
}

// markLocked enters a slot under the terms of its row; the caller holds mu.
func (t *terms) markLocked(id termSet, s slot) {
	for _, name := range t.sets[id].names {
		b := t.bitmaps[name]
		if b == nil {
			b = roaring.New()
			t.bitmaps[name] = b
			t.held += int64(len(name)) + 96
		}
		b.Add(uint32(s))
	}
}

// forgetLocked removes a slot and one reference to its set; the caller holds mu.
func (t *terms) forgetLocked(id termSet, s slot) {
	if id == 0 {
		return
	}
	set := t.sets[id]
	for _, name := range set.names {
		if b := t.bitmaps[name]; b != nil {
			b.Remove(uint32(s))
			if b.IsEmpty() {
				delete(t.bitmaps, name)
				t.held -= int64(len(name)) + 96
			}
		}
	}
	if set.refs--; set.refs == 0 {
		delete(t.ids, set.name)
		t.held -= int64(2*len(set.name)) + 128
		t.sets[id] = nil
		t.freed = append(t.freed, id)
	}
}

// filter returns one word per block with the slots that carry all the terms, and their number, which counts slots
// that a view may not see. Blocks beyond the end of words hold none.
func (t *terms) filter(list [][]byte) (words []uint64, count int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	bitmaps := make([]*roaring.Bitmap, len(list))
	for i, term := range list {
		if bitmaps[i] = t.bitmaps[string(term)]; bitmaps[i] == nil {
			return nil, 0
		}
	}
	all := bitmaps[0]
	if len(bitmaps) > 1 {
		all = roaring.FastAnd(bitmaps...)
	}
	if all.IsEmpty() {
		return nil, 0
	}
	return all.ToDense(), int(all.GetCardinality())
}

// bytes returns the memory of bitmaps and sets, about.
func (t *terms) bytes() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.held
	for _, b := range t.bitmaps {
		n += int64(b.GetSizeInBytes())
	}
	return n
}
