package engine

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

func fingerprintOf(n int) (fp stream.Fingerprint) {
	binary.BigEndian.PutUint64(fp[:], uint64(n))
	return fp
}

// wish is the word of an owner that it waits for these calls, and no others.
func wish(owner int, calls ...int) *hold {
	h := &hold{root: &root{}, node: &callNode{step: &stream.StepNode{}}, key: cdc.Key(fmt.Sprint("row ", owner))}
	for _, c := range calls {
		h.wants = append(h.wants, want{call: fingerprintOf(c), input: make([]byte, 100)})
	}
	return h
}

// TestEachOwnerIsToldOfItsLastAnswer holds the scheduler against a plain list of who waits for what, over random wishes that name
// calls twice, change and end, and random answers.
func TestEachOwnerIsToldOfItsLastAnswer(t *testing.T) {
	for seed := range 200 {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		s, waits := newScheduler(), map[string]map[int]bool{}
		for range 300 {
			if r.IntN(3) > 0 {
				h := wish(r.IntN(6), slices.Repeat([]int{r.IntN(8), r.IntN(8)}, r.IntN(3))...)
				submit, _ := s.settle(h)
				left := map[int]bool{}
				for _, w := range h.wants {
					left[int(binary.BigEndian.Uint64(w.call[:]))] = true
				}
				for _, c := range submit {
					if n := int(binary.BigEndian.Uint64(c.Fingerprint[:])); !left[n] {
						t.Fatalf("seed %d: call %d is made for nobody", seed, n)
					}
				}
				waits[string(h.key)] = left
				continue
			}
			call := r.IntN(8)
			ready, told := map[string]bool{}, map[string]bool{}
			for key, left := range waits {
				if left[call] {
					delete(left, call)
					if len(left) == 0 {
						ready[key] = true
					}
				}
			}
			s.answered(&stream.Answer{Fingerprint: fingerprintOf(call)}, func(k waitKey, _ *waiter) {
				if told[k.key] {
					t.Fatalf("seed %d: %s is told twice", seed, k.key)
				}
				told[k.key] = true
			})
			if !maps.Equal(ready, told) {
				t.Fatalf("seed %d: %v may go on, and %v are told", seed, ready, told)
			}
		}
		for fp, j := range s.jobs {
			if _, unwanted := s.unwanted[fp]; unwanted != (len(j.waiters) == 0) {
				t.Fatalf("seed %d: a call with %d waiters is unwanted: %v", seed, len(j.waiters), unwanted)
			}
		}
	}
}

// TestAWaitingCallTakesWhatIsCountedForIt (I9): what the scheduler keeps is within two thirds of it, the rest is the queue's.
func TestAWaitingCallTakesWhatIsCountedForIt(t *testing.T) {
	const calls = 50_000
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	s, h := newScheduler(), wish(0, 0)
	before := used()
	for i := range calls {
		h.key, h.wants[0].call = cdc.Key(fmt.Sprint("row ", i)), fingerprintOf(i)
		s.settle(h)
	}
	if each := (used() - before) / calls; each > jobOverhead*2/3 {
		t.Errorf("a waiting call takes %d bytes; %d are counted for it and its queue", each, jobOverhead)
	} else {
		t.Logf("a waiting call takes %d bytes", each)
	}
	runtime.KeepAlive(s)
}
