package blob_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
)

// sums is an inlet that keeps how many transactions each batch had, and where it ended.
type sums struct {
	batches [][2]uint64
	fault   error
}

func (s *sums) Batch() *cdc.Batch              { return new(cdc.Batch) }
func (s *sums) CaughtUp(context.Context) error { return nil }
func (s *sums) Problem(error)                  {}

func (s *sums) Put(_ context.Context, b *cdc.Batch) error {
	txns := b.Txns()
	last, err := blob.Sequence(txns[len(txns)-1].Position)
	s.batches = append(s.batches, [2]uint64{uint64(len(txns)), last})
	return errors.Join(err, s.fault)
}

func TestAPackerHandsOverWhatIsFullOrOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to sums
		o, err := blob.NewPacker(&to, blob.Position(40))
		if err != nil {
			t.Fatal(err)
		}
		add := func(size int) {
			t.Helper()
			batch, err := o.Room(t.Context(), size)
			if err != nil {
				t.Fatal(err)
			}
			var row cdc.RowBuilder
			row.Bytes(make([]byte, size))
			batch.Add(cdc.Change{Op: cdc.Update, Key: cdc.StringKey("k"), After: row.Build()})
			if err := o.Commit(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		wants := func(what string, batches ...[2]uint64) {
			t.Helper()
			if len(to.batches) != len(batches) || len(batches) > 0 && to.batches[len(batches)-1] != batches[len(batches)-1] {
				t.Fatalf("%s: the inlet has %v, want %v", what, to.batches, batches)
			}
		}
		add(10)
		add(10)
		wants("what is young and small waits")
		if o.Due() || o.Empty() {
			t.Error("what is young is due, or nothing waits")
		}
		time.Sleep(50 * time.Millisecond)
		if !o.Due() {
			t.Error("what is old is not due")
		}
		add(10)
		wants("what is old goes", [2]uint64{3, 43})
		add(1 << 20)
		wants("what is full goes", [2]uint64{3, 43}, [2]uint64{1, 44})
		add(10)
		add(1 << 20)
		wants("what is large begins a new batch", [2]uint64{3, 43}, [2]uint64{1, 44}, [2]uint64{1, 45}, [2]uint64{1, 46})
		if err := o.Flush(t.Context()); err != nil || len(to.batches) != 4 || o.Number() != 46 {
			t.Errorf("nothing is handed over: %v, %v, number %d", err, to.batches, o.Number())
		}
		to.fault = errors.New("the inlet is closed")
		if batch, err := o.Room(t.Context(), 0); err != nil {
			t.Fatal(err)
		} else {
			batch.Add(cdc.Change{Op: cdc.Delete, Key: cdc.StringKey("k")})
		}
		if err := errors.Join(o.Commit(t.Context(), 1), o.Flush(t.Context())); !errors.Is(err, to.fault) || !errors.Is(o.Refused(), to.fault) {
			t.Errorf("a batch that is not taken: %v, and later %v", err, o.Refused())
		}
	})
}

func TestPositionsAreNumbers(t *testing.T) {
	for text, ok := range map[string]bool{"0": true, "7": true, "18446744073709551615": true, "-1": false, "x": false, "": false} {
		p, err := blob.ParsePosition(text)
		if (err == nil) != ok || ok && blob.Describe(p) != text {
			t.Errorf("%q is read as %x, which is %q: %v", text, string(p), blob.Describe(p), err)
		}
	}
	if n, err := blob.Sequence(""); n != 0 || err != nil {
		t.Errorf("the empty position is %d: %v", n, err)
	}
	if _, err := blob.NewPacker(new(sums), "short"); err == nil {
		t.Error("a position of 5 bytes is taken")
	}
}
