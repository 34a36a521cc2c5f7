package vector

import "github.com/zeebo/xxh3"

// table finds the slot of the live row of a key. It is an open-addressed hash table without keys of its own: the
// blocks hold those. It belongs to the writer.
type table struct {
	entries []entry // a power of two of them
	count   int
}

// entry is free when slot is 0; otherwise slot is one more than the slot it names. tag is the low half of the hash of
// the key: its place in the table, and enough to tell most keys apart without touching their block.
type entry struct{ tag, slot uint32 }

func hashKey[K []byte | string](key K) uint32 { return uint32(xxh3.HashString(string(key))) }

// reserve makes room for n keys in all.
func (t *table) reserve(n int) {
	size := 64
	for size*3 < n*4 {
		size *= 2
	}
	if size <= len(t.entries) {
		return
	}
	old := t.entries
	t.entries = make([]entry, size)
	for _, e := range old {
		if e.slot != 0 {
			t.insert(e)
		}
	}
}

func (t *table) insert(e entry) {
	mask := uint32(len(t.entries) - 1)
	i := e.tag & mask
	for t.entries[i].slot != 0 {
		i = (i + 1) & mask
	}
	t.entries[i] = e
}

// find returns the index of the entry of key, or -1; keyOf tells the key in a slot.
func (t *table) find(tag uint32, key string, keyOf func(slot) string) int {
	if t.count == 0 {
		return -1
	}
	mask := uint32(len(t.entries) - 1)
	for i := tag & mask; t.entries[i].slot != 0; i = (i + 1) & mask {
		if e := t.entries[i]; e.tag == tag && keyOf(slot(e.slot-1)) == key {
			return int(i)
		}
	}
	return -1
}

// add enters a key that is not in the table.
func (t *table) add(tag uint32, s slot) {
	t.reserve(t.count + 1)
	t.count++
	t.insert(entry{tag, uint32(s) + 1})
}

// remove takes out entry i and closes the gap, so that searches need no markers of removed entries.
func (t *table) remove(i int) {
	mask := uint32(len(t.entries) - 1)
	gap := uint32(i)
	for j := (gap + 1) & mask; t.entries[j].slot != 0; j = (j + 1) & mask {
		// The entry at j may fill the gap unless its home lies cyclically in (gap, j].
		if home := t.entries[j].tag & mask; (j-home)&mask >= (j-gap)&mask {
			t.entries[gap] = t.entries[j]
			gap = j
		}
	}
	t.entries[gap] = entry{}
	t.count--
}

// bytes returns the memory of the table.
func (t *table) bytes() int64 { return int64(len(t.entries)) * 8 }
