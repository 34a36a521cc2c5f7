package qdrant_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/qdrant"
	"github.com/freshet/freshet/sinks/qdrant/qdranttest"
	"github.com/freshet/freshet/stream"
)

// I3: whatever the server makes of a range, the range applied again ends as if it had come once.
func TestFaultsAreRepeatedUntilTheRangeIsThere(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			d := newDocs(t, qdrant.Options{})
			d.open()
			want := map[int64]string{}
			for epoch := uint64(1); epoch <= 60; epoch++ {
				var rows []row
				for _, id := range rng.Perm(120)[:1+rng.IntN(100)] {
					r := row{id: int64(id), body: fmt.Sprintf("e%d", epoch)}
					if rng.IntN(3) == 0 {
						r.body = absent{}
						delete(want, int64(id))
					} else {
						want[int64(id)] = fmt.Sprintf("%d|e%d", id, epoch)
					}
					rows = append(rows, r)
				}
				for range rng.IntN(4) {
					d.bed.server.Script([]qdranttest.Fault{qdranttest.LostAck, qdranttest.Partial, qdranttest.Refusing, qdranttest.Limited, qdranttest.Unsure}[rng.IntN(5)])
				}
				d.epoch = epoch
				for tries := 0; ; tries++ {
					err := d.writer.Apply(context.Background(), d.txn(epoch, rows...))
					if err == nil {
						break
					}
					if tries > 20 || errors.Is(err, stream.ErrFenced) || errors.Is(err, stream.ErrLost) {
						t.Fatalf("epoch %d: %v", epoch, err)
					}
					if rng.IntN(4) == 0 { // the process dies, and the next one goes on
						d.target.Epoch = epoch - 1
						d.bed.server.Forgive()
						if p := d.open(); p.Wiped || p.Foreign || p.Epoch > epoch {
							t.Fatalf("after a crash in epoch %d the progress is %+v", epoch, p)
						}
					}
				}
				d.target.Epoch = epoch
				d.bed.server.Forgive()
			}
			got := map[string]bool{}
			for _, r := range d.held() {
				got[r] = true
			}
			for _, r := range want {
				if !got[r] {
					t.Errorf("%s is missing", r)
				}
			}
			if len(got) != len(want) || d.writer.(stream.Counter).Rows() != int64(len(want)) {
				t.Errorf("there are %d rows of %d, %d are counted", len(got), len(want), d.writer.(stream.Counter).Rows())
			}
		})
	}
}

// I3: a write of a process that was replaced, which looked before it was and comes after it, changes nothing: neither
// what the new one wrote, nor what it deleted.
func TestAWriteThatWasOvertakenChangesNothing(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	d.apply(many(0, 3, "first")...)
	zombie, late := d.writer, d.txn(2, row{id: 0, body: "zombie"}, row{id: 1, body: "zombie"}, row{id: 2, body: absent{}})
	d.writer = nil
	t.Cleanup(func() {
		if err := zombie.Close(); err != nil {
			t.Error(err)
		}
	})
	d.bed.server.Before(func(method string) {
		if method != "UpdateBatch" {
			return
		}
		d.bed.server.Before(nil) // it has looked, and found itself the owner: now it is overtaken
		d.open()
		d.epoch = 1
		d.apply(row{id: 0, body: "new"}, row{id: 1, body: absent{}}, row{id: 2, body: "new"})
	})
	err := zombie.Apply(context.Background(), late)
	d.has("after the late write", "0|new", "2|new")
	if err == nil { // its last request may pass, with no effect; the next does not
		err = zombie.Apply(context.Background(), late)
	}
	if !errors.Is(err, stream.ErrFenced) {
		t.Errorf("it ends with %v", err)
	}
	d.has("after the next", "0|new", "2|new")
	d.apply(row{id: 1, body: "back"})
	d.has("after the row has come back", "0|new", "1|back", "2|new")
}

// I8: rows of an owner that replace others are there before those go: a search finds old or new, never nothing.
func TestAnOwnerIsNeverWithoutRows(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	d.apply(many(0, 100, "v")...)
	seen := 0
	d.bed.server.Watch(func(points map[string]int) {
		seen++
		old, next := 0, 0
		for key := range points {
			if len(key) <= 2 {
				old++
			} else {
				next++
			}
		}
		if old < 100 && next < 100 {
			t.Errorf("%d of 100 old rows are there, and %d new ones", old, next)
		}
	})
	rows := many(100, 200, "w")
	for id := range int64(100) {
		rows = append([]row{{id: id, body: absent{}}}, rows...) // deletes first, to be put behind
	}
	d.apply(rows...)
	d.bed.server.Watch(nil)
	if seen < 2 {
		t.Errorf("%d writes were seen", seen)
	}
	if got := d.held(); len(got) != 100 || !strings.HasPrefix(got[0], "100|") {
		t.Errorf("in the end there are %d rows", len(got))
	}
}

// A point that the server will never take is found among hundreds, and named.
func TestAPointThatIsRefusedIsNamed(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	culprit := qdrant.ID(0, mustKey(t, d, 137))
	d.bed.server.Reject(func(id string) bool { return id == culprit })
	rows := many(0, 300, "x")
	err := d.writer.Apply(context.Background(), d.txn(1, rows...))
	var reject *stream.RejectError
	if !errors.As(err, &reject) || reject.Key.Text() != "137" || reject.Code != "sink_rejected" {
		t.Fatalf("it ends with %v", err)
	}
	d.apply(append(rows[:137:137], rows[138:]...)...)
	if got := d.held(); len(got) != 299 || d.writer.(stream.Counter).Rows() != 299 {
		t.Errorf("without it there are %d rows, %d are counted", len(got), d.writer.(stream.Counter).Rows())
	}
	for _, vector := range [][]float32{{1, 2}, {float32(math.NaN()), 0, 0}, {0, float32(math.Inf(1)), 0}} {
		err := d.writer.Apply(context.Background(), d.txn(2, row{id: 1, body: "y"}, row{id: 2, vector: vector}))
		if !errors.As(err, &reject) || reject.Key.Text() != "2" {
			t.Errorf("the vector %v ends with %v", vector, err)
		}
	}
}

func mustKey(t *testing.T, d *docs, id int64) cdc.Key {
	t.Helper()
	for e, err := range d.effects(1, []row{{id: id}}) {
		if err != nil {
			t.Fatal(err)
		}
		return e.Key
	}
	return nil
}

// I10: what is lost while the sink is open is found by the next write; what is lost while it is closed by the opening.
func TestALossIsNoticed(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	d.apply(many(0, 50, "x")...)
	d.bed.server.Script(qdranttest.Emptied)
	d.epoch++
	if err := d.writer.Apply(context.Background(), d.txn(d.epoch, row{id: 1, body: "y"})); !errors.Is(err, stream.ErrLost) {
		t.Fatalf("in the middle of a write it ends with %v", err)
	}
	if err := d.writer.Apply(context.Background(), d.txn(d.epoch, row{id: 1, body: "y"})); !errors.Is(err, stream.ErrLost) {
		t.Fatalf("at the next write it ends with %v", err)
	}
	if p := d.open(); !p.Wiped || p.Epoch != 0 {
		t.Fatalf("the opening tells of %+v", p)
	}
	d.apply(many(0, 50, "x")...)
	for _, id := range []int64{7, 8} {
		d.remove(id)
	}
	if p := d.open(); !p.Wiped {
		t.Errorf("with two points gone the opening tells of %+v", p)
	}
}

// remove deletes a point as a person might.
func (d *docs) remove(id int64) {
	d.t.Helper()
	key := d.keyText(id)
	if err := d.bed.deletePoint(d.bed.options.Collection, qdrant.ID(0, key)); err != nil {
		d.t.Fatal(err)
	}
}

func (d *docs) keyText(id int64) cdc.Key {
	for e := range d.effects(1, []row{{id: id}}) {
		return e.Key
	}
	return nil
}

// A range that breaks off among its deletes is no loss: the tombstones tell of it.
func TestABrokenDeleteIsNoLoss(t *testing.T) {
	d := newDocs(t, qdrant.Options{})
	d.open()
	d.apply(many(0, 100, "x")...)
	var gone []row
	for id := range int64(100) {
		gone = append(gone, row{id: id, body: absent{}})
	}
	d.bed.server.Script(qdranttest.Partial)
	if err := d.writer.Apply(context.Background(), d.txn(2, gone...)); err == nil {
		t.Fatal("the fault is not told")
	}
	if n := len(d.held()); n == 0 || n == 100 {
		t.Fatalf("%d rows are left of 100", n)
	}
	if p := d.open(); p.Wiped || p.Epoch != 1 {
		t.Errorf("the opening tells of %+v", p)
	}
}
