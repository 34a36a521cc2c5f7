package builtin

import "math/bits"

// A feature is a word, a pair of words or a letter triple, known by its hash alone. The lowest three
// bits of the hash hold its kind; the vector's place and sign come from others.
const (
	kindTriple = iota
	kindPair
	kindTiny  // a word of one or two letters
	kindShort // a word of three letters
	kindWord

	kindBits = 3
	kindMask = 1<<kindBits - 1
)

// weights are what one occurrence of a feature adds, by kind. Short words, mostly articles and the like,
// say little; the triples of a word together outweigh it, so that its inflected forms are found.
var weights = [1 << kindBits]int64{kindTriple: 2, kindPair: 2, kindTiny: 1, kindShort: 3, kindWord: 4}

// features counts the features of one text: a table by open addressing that is emptied by starting a
// new age.
type features struct {
	slots []slot
	used  []int32 // filled slots, in order of first occurrence
	age   uint32
}

type slot struct {
	hash  uint64
	count uint32
	age   uint32
}

func (f *features) reset() {
	f.used = f.used[:0]
	f.age++
	if f.age == 0 || f.slots == nil {
		f.slots = make([]slot, max(1024, len(f.slots)))
		f.age = 1
	}
}

// add counts one occurrence.
func (f *features) add(hash uint64, kind uint64) {
	hash = hash&^kindMask | kind
	if 2*len(f.used) >= len(f.slots) {
		f.grow()
	}
	s := f.find(hash)
	if f.slots[s].age != f.age {
		f.slots[s] = slot{hash: hash, age: f.age}
		f.used = append(f.used, int32(s))
	}
	f.slots[s].count++
}

// find returns the slot of the hash, or the free one where it belongs.
func (f *features) find(hash uint64) int {
	mask := len(f.slots) - 1
	for s := int(hash>>8) & mask; ; s = (s + 1) & mask {
		if f.slots[s].age != f.age || f.slots[s].hash == hash {
			return s
		}
	}
}

func (f *features) grow() {
	old := *f
	f.slots = make([]slot, 2*len(old.slots))
	f.used = make([]int32, 0, len(old.slots))
	f.age = 1
	for _, from := range old.used {
		s := f.find(old.slots[from].hash)
		f.slots[s] = slot{hash: old.slots[from].hash, count: old.slots[from].count, age: f.age}
		f.used = append(f.used, int32(s))
	}
}

// sumInto adds every feature to its place, weighted by its kind and damped by its count.
func (f *features) sumInto(sums []int64) {
	for _, s := range f.used {
		hash := f.slots[s].hash
		d, sign := place(hash, len(sums))
		sums[d] += int64(sign) * weights[hash&kindMask] * damped(f.slots[s].count)
	}
}

// damped is 64 × (1 + log2 n), with the logarithm straight between powers of two: what occurs eight
// times counts four times. Integers only.
func damped(n uint32) int64 {
	k := bits.Len32(n) - 1
	return 64*int64(k+1) + (64*(int64(n)-1<<k))>>k
}

// place returns where in a vector a feature goes, and its sign.
func place(hash uint64, dims int) (index, sign int) {
	high, _ := bits.Mul64(hash, uint64(dims))
	return int(high), 1 - int(hash>>kindBits&1)*2
}

const (
	seed     = 0x9e3779b97f4a7c15
	multiply = 0xff51afd7ed558ccd
)

// mix adds a value to a hash.
func mix(h, x uint64) uint64 {
	h = (h ^ x) * multiply
	return h ^ h>>32
}

// finish spreads a hash over all its bits.
func finish(h uint64) uint64 {
	h = (h ^ h>>33) * multiply
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func hashText(text string) uint64 {
	h := uint64(seed)
	for _, c := range []byte(text) {
		h = mix(h, uint64(c))
	}
	return finish(h)
}
