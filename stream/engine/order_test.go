package engine

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freshet/freshet/cdc"
)

// The store is read with an iterator that moves forward: owners come in the order of its keys, whatever theirs have in common.
func TestTasksComeInTheOrderOfTheirRecords(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		roots := []*root{{instance: 1}, {instance: 1 + uint32(random.IntN(3))}}
		shared := bytes.Repeat([]byte{'a'}, random.IntN(20))
		g := &gathered{}
		for range random.IntN(60) {
			tail := make([]byte, random.IntN(14))
			for i := range tail {
				tail[i] = []byte{0, 1, 2, 'a', 'b', 0xff}[random.IntN(6)]
			}
			g.tasks = append(g.tasks, &task{root: roots[random.IntN(2)], key: append(cdc.Key(bytes.Clone(shared)), tail...)})
		}
		before := slices.Clone(g.tasks)
		keys := g.order()
		if !slices.IsSortedFunc(keys, bytes.Compare) {
			t.Fatalf("round %d: the keys do not ascend: %x", round, keys)
		}
		for i, task := range g.tasks {
			if want := ownerKey(nil, task.root, task.key); !bytes.Equal(keys[i], want) {
				t.Fatalf("round %d: at %d stands the task of %x, and the key %x", round, i, want, keys[i])
			}
			at := slices.Index(before, task)
			if at < 0 {
				t.Fatalf("round %d: the task of %x comes twice", round, keys[i])
			}
			before = slices.Delete(before, at, at+1)
		}
	}
}
