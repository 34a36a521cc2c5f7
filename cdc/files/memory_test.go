package files

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/internal/blob"
)

// drain is an inlet that counts, keeps nothing, and gives the same batch again and again.
type drain struct {
	batch    *cdc.Batch
	batches  int
	changes  int
	deletes  int
	largest  int64
	peakHeap uint64
	measure  bool
	ledger   *endless // may be nil
}

func (d *drain) Batch() *cdc.Batch {
	if d.batch == nil {
		d.batch = new(cdc.Batch)
	}
	d.batch.Reset()
	return d.batch
}

func (d *drain) Put(_ context.Context, b *cdc.Batch) error {
	d.batches++
	d.changes += b.Len()
	for i := range b.Len() {
		if b.At(i).Op == cdc.Delete {
			d.deletes++
			d.ledger.deleted = number(b.At(i).Key) + 1
		}
	}
	d.largest = max(d.largest, b.Bytes())
	if d.measure {
		d.sample()
	}
	return nil
}

func (d *drain) sample() {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	d.peakHeap = max(d.peakHeap, m.HeapAlloc)
}

func (d *drain) CaughtUp(context.Context) error { return nil }
func (d *drain) Problem(error)                  {}

// endless is a ledger of n notes that it makes up; those that were deleted are durable at once.
type endless struct {
	n, deleted int
	note       []byte
}

// number is that of a key, or of the least key behind a place between two keys.
func number(key cdc.Key) (n int) {
	if _, err := fmt.Sscanf(string(key[1:]), "gone/%09d", &n); err != nil {
		panic(err)
	}
	return n
}

func (l *endless) Note(_ int, key cdc.Key) ([]byte, bool, error) {
	if key.Text() == "a.md" {
		return nil, false, nil
	}
	return l.note, number(key) >= l.deleted, nil
}

func (l *endless) Notes(_ int, from cdc.Key, fn func(cdc.Key, []byte) error) error {
	i := l.deleted
	switch {
	case from == nil:
	case from.Text() >= "gone/", string(from[1:]) > "gone/":
		i = max(i, number(from))
	}
	for ; i < l.n; i++ {
		if err := fn(keyOf(fmt.Sprintf("gone/%09d", i)), l.note); err != nil {
			return err
		}
	}
	return nil
}

// I9: a pass over any number of known files takes the same memory, deletes included.
func TestAPassIsFlatInMemory(t *testing.T) {
	peak := func(n int) int64 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.md"), []byte("a"), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := New(Options{Path: dir, AcceptDeletes: true})
		if err != nil {
			t.Fatal(err)
		}
		d := &drain{measure: true}
		d.sample()
		before := d.peakHeap
		ledger := &endless{n: n, note: exampleNote().append(nil)}
		d.ledger = ledger
		if err := s.Run(t.Context(), cdc.Start{Once: true, Resume: blob.Position(1), Ledger: ledger}, d); err != nil {
			t.Fatal(err)
		}
		if d.deletes != n {
			t.Errorf("%d of %d are deleted", d.deletes, n)
		}
		return int64(d.peakHeap) - int64(before)
	}
	few, many := peak(100_000), peak(400_000)
	t.Logf("100,000 gone files take %d KiB, 400,000 take %d KiB", few>>10, many>>10)
	if many > few+few/2+(4<<20) {
		t.Errorf("100,000 gone files take %d KiB, 400,000 take %d KiB", few>>10, many>>10)
	}
}

// Large files go one to a batch, through buffers that are used again.
func TestLargeFilesAreCopiedLittle(t *testing.T) {
	dir := t.TempDir()
	const count, size = 12, 4 << 20
	content := make([]byte, size)
	for i := range content {
		content[i] = "the quick brown fox\n"[i%20]
	}
	for i := range count {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.txt", i)), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		columns []int
		most    uint64 // bytes of memory taken over the whole run
		batch   int64
	}{
		{"the text", []int{blob.Path, blob.Text, blob.Size}, 4*size + 2<<20, size + 4096},
		{"neither content nor text", []int{blob.Path, blob.ETag, blob.MediaType}, 2 << 20, 8192},
	} {
		s, err := New(Options{Path: dir})
		if err != nil {
			t.Fatal(err)
		}
		d := &drain{}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := cdc.Start{Once: true, Ledger: &cdctest.Ledger{}, Columns: [][]int{c.columns}}
		if err := s.Run(t.Context(), start, d); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		taken := after.TotalAlloc - before.TotalAlloc
		t.Logf("%s: %d MB read, %d KiB taken, largest batch %d", c.name, count*size>>20, taken>>10, d.largest)
		if taken > c.most || d.largest > c.batch || d.changes != count {
			t.Errorf("%s: %d KiB taken of at most %d, largest batch %d of at most %d, %d changes",
				c.name, taken>>10, c.most>>10, d.largest, c.batch, d.changes)
		}
	}
}

func BenchmarkScanOfUnchangedFiles(b *testing.B) {
	dir := b.TempDir()
	const count = 20_000
	for i := range count {
		path := filepath.Join(dir, fmt.Sprint(i/200), fmt.Sprintf("%d.md", i))
		if i%200 == 0 {
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(path, []byte("small"), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	<-time.After(2 * fineStep)
	s, err := New(Options{Path: dir})
	if err != nil {
		b.Fatal(err)
	}
	in := cdctest.NewInlet()
	start := in.Start()
	start.Once = true
	if err := s.Run(b.Context(), start, in); err != nil {
		b.Fatal(err)
	}
	start.Resume = in.Position()
	d := &drain{}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Run(b.Context(), start, d); err != nil {
			b.Fatal(err)
		}
	}
	if d.changes > 0 {
		b.Fatalf("%d changes", d.changes)
	}
	b.ReportMetric(float64(count)*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}
