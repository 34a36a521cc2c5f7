package vector

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/sinks/vector/vectortest"
)

// TestAViewWaitsForACommitThatReplacesPayloads opens a view between a commit and its publication: the truth is then
// newer than what the view would see.
func TestAViewWaitsForACommitThatReplacesPayloads(t *testing.T) {
	for _, c := range []struct {
		name             string
		pinned, shelving bool
		waits            bool
	}{
		{"a view that must be whole", true, false, true},
		{"a view that must be whole, while replaced payloads are kept", true, true, false},
		{"a view that a search may start again", false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := &Index{current: &state{epoch: 1}}
				x.published = sync.NewCond(&x.mu)
				x.committing, x.shelving = true, c.shelving
				var v *View
				var wg sync.WaitGroup
				wg.Go(func() { v = x.view(c.pinned) })
				synctest.Wait()
				x.mu.Lock()
				waits := len(x.views) == 0
				x.current = &state{epoch: 2}
				x.endCommitLocked()
				x.mu.Unlock()
				wg.Wait()
				if waits != c.waits {
					t.Fatalf("waited: %v, want %v", waits, c.waits)
				}
				if want := map[bool]uint64{true: 2, false: 1}[c.waits]; v.state.epoch != want {
					t.Errorf("view of publication %d, want %d", v.state.epoch, want)
				}
			})
		})
	}
}

// TestRowsThatChangeWhileTheyAreMovedAreLeftAlone deletes and replaces rows after maintenance has looked at them and
// before it moves them.
func TestRowsThatChangeWhileTheyAreMovedAreLeftAlone(t *testing.T) {
	const dims, rows = 8, 300
	x, err := Open("index", Options{Dims: dims, FS: vfs.NewMem(), IVFRows: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	src := vectortest.New(1, dims, vectortest.Hard)
	txn := Txn{Epoch: 1}
	for i := range rows {
		txn.Upserts = append(txn.Upserts, Upsert{Key: fmt.Append(nil, i), Version: 1, Vector: src.Next(), Terms: [][]byte{[]byte("t")}})
	}
	if err := x.Apply(t.Context(), &txn); err != nil {
		t.Fatal(err)
	}
	v := x.View()
	r := rand.New(rand.NewPCG(1, 1))
	target, err := train(t.Context(), x.enc, v.sample(rows, r), 4, r)
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	from := x.space.layout.newest().lists[0]
	err = x.moveBlocks(t.Context(), from.all(), from, target, func() {
		epoch := x.current.epoch + 1
		x.space.remove(hashKey("7"), "7", epoch)
		at, _ := x.space.find(hashKey("8"), "8")
		row := x.space.blocks[at.block()].encodedAt(at.place(), x.enc, nil)
		x.space.remove(hashKey("8"), "8", epoch)
		x.space.insert(target.lists[0], row, rowInfo{key: "8", version: 2}, epoch)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := x.space.find(hashKey("7"), "7"); ok || x.space.rows != rows-1 || from.rows != 0 {
		t.Fatalf("%d rows, %d in the old list; the deleted one is there: %v", x.space.rows, from.rows, ok)
	}
	if at, ok := x.space.find(hashKey("8"), "8"); !ok || x.space.info(at).version != 2 {
		t.Fatalf("the replaced row: found %v, %+v", ok, x.space.info(at))
	}
	live := 0
	for _, b := range x.space.blocks {
		for i := range blockRows {
			if b.born[i].Load() <= x.current.epoch && b.dead[i].Load() == never {
				live++
			}
		}
	}
	if live != rows-1 {
		t.Errorf("%d rows are live in blocks, want %d", live, rows-1)
	}
}
