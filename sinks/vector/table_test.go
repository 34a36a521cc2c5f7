package vector

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestTableFindsWhatAMapFinds adds and removes keys whose tags collide all the time.
func TestTableFindsWhatAMapFinds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var tab table
		var byslot []string
		want := map[string]slot{}
		keyOf := func(s slot) string { return byslot[s] }
		tag := func(key string) uint32 { return hashKey(key) % 7 * 0x01000003 }
		for range rapid.IntRange(0, 400).Draw(rt, "operations") {
			key := fmt.Sprint(rapid.IntRange(0, 60).Draw(rt, "key"))
			i := tab.find(tag(key), key, keyOf)
			at, ok := want[key]
			if ok != (i >= 0) || ok && slot(tab.entries[i].slot-1) != at {
				rt.Fatalf("key %s: found %v, want %v", key, i >= 0, ok)
			}
			if ok {
				tab.remove(i)
				delete(want, key)
			} else {
				byslot = append(byslot, key)
				want[key] = slot(len(byslot) - 1)
				tab.add(tag(key), want[key])
			}
			if tab.count != len(want) {
				rt.Fatalf("%d entries, want %d", tab.count, len(want))
			}
		}
		for key, at := range want {
			if i := tab.find(tag(key), key, keyOf); i < 0 || slot(tab.entries[i].slot-1) != at {
				rt.Fatalf("key %s is lost", key)
			}
		}
	})
}

// Of candidates that are equally near those with the least keys are kept, in whatever order they come.
func TestTopKeepsTheBest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for most := 1; most < 70; most++ {
		whole, parts := newTop(most), []*top{newTop(most), newTop(most), newTop(most)}
		var want []string
		for n, key := range r.Perm(r.IntN(300)) {
			c := candidate{rank: float32(r.IntN(20)), block: &block{}}
			c.row().key = fmt.Sprintf("%03d", key)
			want = append(want, fmt.Sprintf("%02.0f %s", 20-c.rank, c.row().key)) // in the order of texts
			for _, tp := range []*top{whole, parts[n%3]} {
				if c.rank >= tp.least {
					tp.push(c)
				}
			}
		}
		slices.Sort(want)
		want = want[:min(most, len(want))]
		merged := newTop(most)
		for _, part := range parts {
			merged.merge(part)
		}
		for name, tp := range map[string]*top{"a whole scan": whole, "parts": merged} {
			var got []string
			for _, c := range ranked(tp.heap) {
				got = append(got, fmt.Sprintf("%02.0f %s", 20-c.rank, c.row().key))
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s, most=%d: got %v, want %v", name, most, got, want)
			}
		}
	}
}

func TestRunsCoverAMask(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	masks := []uint64{0, 1, 1 << 63, ^uint64(0), ^uint64(1), ^uint64(0) >> 1, 0xf0f0f0f0f0f0f0f0}
	for range 1000 {
		masks = append(masks, r.Uint64(), r.Uint64()&r.Uint64(), r.Uint64()|r.Uint64())
	}
	for _, mask := range masks {
		var got uint64
		for m := mask; m != 0; {
			from, n, rest := run(m)
			if n == 0 || from+n > blockRows {
				t.Fatalf("mask %x: run of %d at %d", mask, n, from)
			}
			for i := range n {
				got |= 1 << (from + i)
			}
			m = rest
		}
		if got != mask {
			t.Fatalf("mask %x: runs cover %x", mask, got)
		}
	}
}
