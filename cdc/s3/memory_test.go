package s3

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/blob"
)

// endless is a bucket of n objects that it makes up, of which every third is gone where gone says so, and the ledger
// of a flow that knows the first notes of them. What is put is durable at once.
type endless struct {
	objects, notes int
	gone           bool
	deleted        int
	peak           uint64
}

func endlessKey(n int) string { return fmt.Sprintf("k%09d", n) }

func numberOf(key string) int {
	n, err := strconv.Atoi(key[1:])
	if err != nil {
		panic(err)
	}
	return n
}

func (e *endless) there(n int) bool { return n < e.objects && (!e.gone || n%3 != 0) }

func (e *endless) object(n int) object {
	return object{key: endlessKey(n), size: 5, etag: "0123456789abcdef0123456789abcdef"}
}

func (e *endless) list(_ context.Context, after string) (page, error) {
	n := 0
	if after != "" {
		n = numberOf(after) + 1
	}
	if n/1000%20 == 0 {
		e.sample()
	}
	p := page{last: after}
	for ; n < e.objects && len(p.objects) < pageKeys; n++ {
		if e.there(n) {
			p.objects = append(p.objects, e.object(n))
			p.last = endlessKey(n)
		}
	}
	p.more = n < e.objects
	return p, nil
}

func (e *endless) head(_ context.Context, key string) (object, error) {
	if n := numberOf(key); e.there(n) {
		return e.object(n), nil
	}
	return object{}, errAbsent
}

func (e *endless) read(context.Context, string, string, int64, int64) (io.ReadCloser, object, error) {
	return nil, object{}, errAbsent
}

func (e *endless) present(context.Context) error { return nil }

func (e *endless) sample() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	e.peak = max(e.peak, m.HeapAlloc)
}

// Note implements cdc.Ledger.
func (e *endless) Note(_ int, key cdc.Key) ([]byte, bool, error) {
	n := numberOf(key.Text())
	return e.noteOf(n), n < e.notes && (n >= e.deleted || e.there(n)), nil
}

func (e *endless) noteOf(n int) []byte {
	o := e.object(n)
	return note{size: o.size, etag: o.etag}.append(nil)
}

// Notes implements cdc.Ledger.
func (e *endless) Notes(_ int, from cdc.Key, fn func(cdc.Key, []byte) error) error {
	n := 0
	if len(from) > 0 {
		if _, err := fmt.Sscanf(string(from[1:]), "k%09d", &n); err != nil {
			return err
		}
	}
	for ; n < e.notes; n++ {
		if n < e.deleted && !e.there(n) {
			continue
		}
		if err := fn(cdc.StringKey(endlessKey(n)), e.noteOf(n)); err != nil {
			return err
		}
	}
	return nil
}

// drain is an inlet that counts, keeps nothing, and gives the same batch again and again.
type drain struct {
	batch         *cdc.Batch
	world         *endless
	puts, deletes int
}

func (d *drain) Batch() *cdc.Batch {
	d.batch.Reset()
	return d.batch
}

func (d *drain) Put(_ context.Context, b *cdc.Batch) error {
	for i := range b.Len() {
		if c := b.At(i); c.Op == cdc.Delete {
			d.deletes++
			d.world.deleted = max(d.world.deleted, numberOf(c.Key.Text())-lookWidth)
		} else {
			d.puts++
			d.world.notes = max(d.world.notes, numberOf(c.Key.Text())-lookWidth)
		}
	}
	return nil
}

func (d *drain) CaughtUp(context.Context) error { return nil }
func (d *drain) Problem(error)                  {}

// doublings are what the notes that are not durable yet take more when their table, which never shrinks, doubles
// once or twice more: by chance, as batches and looks meet. To hold the keys that are gone takes 9 MiB more.
const doublings = 6 << 20

// I9: a pass over any number of objects takes the same memory, whether they are known, new, or gone.
func TestAPassIsFlatInMemory(t *testing.T) {
	few, many := 150_000, 1_200_000 // the fewer fill every buffer too
	if os.Getenv("FRESHET_SOAK") == "1" {
		few, many = 1_000_000, 10_000_000
	}
	for _, c := range []struct {
		name                 string
		world                func(n int) *endless
		wantPuts, wantDelete func(n int) int
	}{
		{"known", func(n int) *endless { return &endless{objects: n, notes: n} }, nil, nil},
		{"new", func(n int) *endless { return &endless{objects: n} }, func(n int) int { return n }, nil},
		{"a third gone", func(n int) *endless { return &endless{objects: n, notes: n, gone: true} }, nil, func(n int) int { return (n + 2) / 3 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			peak := func(n int) int64 {
				e := c.world(n)
				s, err := New(Options{Bucket: "b"})
				if err != nil {
					t.Fatal(err)
				}
				s.open = func(context.Context) (bucket, func(), error) { return e, func() {}, nil }
				e.sample()
				before := e.peak
				d := &drain{batch: new(cdc.Batch), world: e}
				if err := s.Run(t.Context(), cdc.Start{Once: true, Resume: blob.Position(1), Ledger: e, Columns: [][]int{{0, 3, 5}}}, d); err != nil {
					t.Fatal(err)
				}
				puts, deletes := 0, 0
				if c.wantPuts != nil {
					puts = c.wantPuts(n)
				}
				if c.wantDelete != nil {
					deletes = c.wantDelete(n)
				}
				if d.puts != puts || d.deletes != deletes {
					t.Errorf("of %d objects %d are put and %d deleted, not %d and %d", n, d.puts, d.deletes, puts, deletes)
				}
				return int64(e.peak) - int64(before)
			}
			small, large := peak(few), peak(many)
			t.Logf("%d objects take %d KiB, %d take %d KiB", few, small>>10, many, large>>10)
			if large > small+doublings {
				t.Errorf("%d objects take %d KiB, %d take %d KiB", few, small>>10, many, large>>10)
			}
		})
	}
}
