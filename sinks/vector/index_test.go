package vector_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/sinks/vector/vectortest"
	"github.com/freshet/freshet/stream"
)

// open opens an index on a file system in memory; the test fails when it is not closed well.
func open(t testing.TB, fs vfs.FS, o vector.Options) *vector.Index {
	t.Helper()
	o.FS = fs
	x, err := vector.Open("index", o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil && !errors.Is(err, vector.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return x
}

func apply(t testing.TB, x *vector.Index, txn vector.Txn) {
	t.Helper()
	if err := x.Apply(t.Context(), &txn); err != nil {
		t.Fatalf("apply epoch %d: %v", txn.Epoch, err)
	}
}

func search(t testing.TB, x *vector.Index, q vector.Query) []vector.Hit {
	t.Helper()
	hits, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("search: %v", err)
	}
	return hits
}

// TestReadersSeeATransactionOnItsWayToDisk: they do not wait for the disk; a power failure before Apply returns leaves the
// state before it, whole, and the transaction is applied again (I2, I3, I8).
func TestReadersSeeATransactionOnItsWayToDisk(t *testing.T) {
	fs := vfs.NewCrashableMem()
	var shut atomic.Bool
	disk := make(chan struct{}) // closed when the disk goes on
	x := open(t, errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			if shut.Load() {
				<-disk
			}
		}
		return nil
	})), vector.Options{Dims: 4})
	row := func(epoch uint64) vector.Txn {
		return vector.Txn{Epoch: epoch, Upserts: []vector.Upsert{{Key: []byte("a"), Version: epoch, Vector: []float32{1, 0, 0, float32(epoch)}}}}
	}
	apply(t, x, row(1))
	second := row(2)
	var failed *vfs.MemFS
	second.Shown = func() {
		if hits := search(t, x, vector.Query{Vector: []float32{1, 0, 0, 2}, K: 1}); len(hits) != 1 || hits[0].Version != 2 {
			t.Errorf("a search finds %v", hits)
		}
		failed = fs.CrashClone(vfs.CrashCloneCfg{})
		close(disk)
	}
	shut.Store(true)
	apply(t, x, second)
	after := open(t, failed, vector.Options{Dims: 4})
	if _, epoch, _ := after.Progress(); epoch != 1 {
		t.Errorf("after the failure it is at epoch %d", epoch)
	}
	apply(t, after, row(2))
	if diff := cmp.Diff(dump(t, x), dump(t, after)); diff != "" {
		t.Error(diff)
	}
}

// dump returns the rows of an index as text.
func dump(t testing.TB, x *vector.Index) map[string]string {
	t.Helper()
	v := x.View()
	defer v.Close()
	rows := map[string]string{}
	var last []byte
	err := v.Scan(t.Context(), func(key []byte, version uint64, payload []byte) error {
		if last != nil && bytes.Compare(last, key) >= 0 {
			return fmt.Errorf("key %q after %q", key, last)
		}
		last = bytes.Clone(key)
		rows[string(key)] = fmt.Sprintf("%d %s", version, payload)
		return nil
	})
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	if len(rows) != v.Len() {
		t.Fatalf("scan saw %d rows, the view has %d", len(rows), v.Len())
	}
	return rows
}

func keys(hits []vector.Hit) []string {
	list := make([]string, len(hits))
	for i, h := range hits {
		list[i] = string(h.Key)
	}
	return list
}

func up(key string, version uint64, payload string, vec ...float32) vector.Upsert {
	return vector.Upsert{Key: []byte(key), Version: version, Vector: vec, Payload: []byte(payload)}
}

func del(key string, version uint64) vector.Delete {
	return vector.Delete{Key: []byte(key), Version: version}
}

func TestScoresAreTheTrueLikeness(t *testing.T) {
	const dims = 100
	src := vectortest.New(3, dims, vectortest.Hard)
	rows, queries := src.Take(300), src.Take(10)
	for i := range rows { // lengths differ, for dot and l2
		for j := range rows[i] {
			rows[i][j] *= 1 + float32(i)/100
		}
	}
	for _, metric := range []stream.Metric{stream.Cosine, stream.Dot, stream.L2} {
		t.Run(metric.String(), func(t *testing.T) {
			x := open(t, vfs.NewMem(), vector.Options{Dims: dims, Metric: metric})
			var txn vector.Txn
			for i, v := range rows {
				txn.Upserts = append(txn.Upserts, up(fmt.Sprint(i), 1, "", v...))
			}
			txn.Epoch = 1
			apply(t, x, txn)
			for _, q := range append(queries, rows[17]) {
				hits := search(t, x, vector.Query{Vector: q, K: 300})
				if len(hits) != 300 {
					t.Fatalf("got %d hits, want 300", len(hits))
				}
				last := math.Inf(1)
				for _, h := range hits {
					var i int
					fmt.Sscan(string(h.Key), &i)
					want, tolerance := trueScore(metric, q, rows[i])
					if math.Abs(float64(h.Score)-want) > tolerance {
						t.Errorf("row %d: score %v, want %v ± %v", i, h.Score, want, tolerance)
					}
					if float64(h.Score) > last {
						t.Errorf("row %d: score %v after %v", i, h.Score, last)
					}
					last = float64(h.Score)
				}
			}
		})
	}
}

// trueScore returns the score from the float vectors and 1 % of the lengths that it is made of.
func trueScore(m stream.Metric, a, b []float32) (score, tolerance float64) {
	var dot, aa, bb float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	lengths := math.Sqrt(aa * bb)
	switch m {
	case stream.Cosine:
		return dot / lengths, 0.01
	case stream.Dot:
		return dot, 0.01 * lengths
	}
	return -math.Sqrt(aa + bb - 2*dot), 0.01 * (math.Sqrt(aa) + math.Sqrt(bb))
}

func TestARowIsFirstForItsOwnVector(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 2_000
	}
	for _, dims := range []int{64, 256} {
		t.Run(fmt.Sprintf("%d dimensions", dims), func(t *testing.T) {
			rows := vectortest.New(5, dims, vectortest.Noise).Take(n)
			x := open(t, vfs.NewMem(), vector.Options{Dims: dims})
			fill(t, x, rows)
			for i := 0; i < n; i += 17 {
				hits := search(t, x, vector.Query{Vector: rows[i], K: 3, KeysOnly: true})
				if got := string(hits[0].Key); got != fmt.Sprint(i) {
					t.Fatalf("row %d: %s is first, with %v", i, got, hits[0].Score)
				}
				if hits[0].Score < 0.999 {
					t.Errorf("row %d: score %v for its own vector", i, hits[0].Score)
				}
			}
		})
	}
}

// fill writes rows under their numbers, in transactions of a thousand.
func fill(t testing.TB, x *vector.Index, rows [][]float32) {
	t.Helper()
	_, epoch, _ := x.Progress()
	var txn vector.Txn
	for i, v := range rows {
		txn.Upserts = append(txn.Upserts, up(fmt.Sprint(i), epoch+1, fmt.Sprintf("payload %d", i), v...))
		if len(txn.Upserts) == 1000 || i == len(rows)-1 {
			epoch++
			txn.Epoch = epoch
			apply(t, x, txn)
			txn.Upserts = nil
		}
	}
}

func TestProgressIsDurableAndReturnedAsGiven(t *testing.T) {
	fs := vfs.NewMem()
	x := open(t, fs, vector.Options{Dims: 2})
	apply(t, x, vector.Txn{Generation: 7, Epoch: 40, Progress: []byte("cursor")})
	for range 2 {
		generation, epoch, extra := x.Progress()
		if generation != 7 || epoch != 40 || string(extra) != "cursor" {
			t.Fatalf("got %d %d %q", generation, epoch, extra)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		x = open(t, fs, vector.Options{Dims: 2})
	}
}

func TestAViewStaysAsItWas(t *testing.T) {
	x := open(t, vfs.NewMem(), vector.Options{Dims: 2})
	apply(t, x, vector.Txn{Epoch: 1, Upserts: []vector.Upsert{up("a", 1, "a1", 1, 0), up("b", 1, "b1", 0, 1), up("c", 1, "c1", 1, 1)}})
	v := x.View()
	apply(t, x, vector.Txn{Epoch: 2, Upserts: []vector.Upsert{up("a", 2, "a2", 0, 1), up("d", 2, "d2", 1, 0)}, Deletes: []vector.Delete{del("b", 2)}})
	apply(t, x, vector.Txn{Epoch: 3, Upserts: []vector.Upsert{up("a", 3, "a3", -1, 0), up("b", 3, "b3", 1, 0)}, Deletes: []vector.Delete{del("c", 3)}})
	hits, err := v.Search(t.Context(), vector.Query{Vector: []float32{1, 0}, K: 9, Match: func(_, p []byte) (bool, error) { return p[1] == '1', nil }})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "c", "b"}, keys(hits)); diff != "" {
		t.Errorf("old view (-want +got):\n%s", diff)
	}
	for _, h := range hits {
		if h.Version != 1 || string(h.Payload) != string(h.Key)+"1" {
			t.Errorf("old view: %s has version %d and payload %q", h.Key, h.Version, h.Payload)
		}
	}
	got := map[string]string{}
	err = v.Scan(t.Context(), func(k []byte, version uint64, p []byte) error {
		got[string(k)] = fmt.Sprintf("%d %s", version, p)
		return nil
	})
	if diff := cmp.Diff(map[string]string{"a": "1 a1", "b": "1 b1", "c": "1 c1"}, got); diff != "" || err != nil {
		t.Errorf("scan of the old view: %v (-want +got):\n%s", err, diff)
	}
	if v.Len() != 3 || x.Len() != 3 || x.Stats().DeadRows == 0 || x.Stats().ShelfBytes == 0 {
		t.Errorf("view has %d rows, index %d, stats %+v", v.Len(), x.Len(), x.Stats())
	}
	v.Close()
	v.Close()
	if _, err := v.Search(t.Context(), vector.Query{Vector: []float32{1, 0}, K: 1}); !errors.Is(err, vector.ErrClosed) {
		t.Errorf("search in a closed view: %v", err)
	}
	if st := x.Stats(); st.DeadRows != 0 || st.ShelfBytes != 0 || st.Views != 0 {
		t.Errorf("closing the last view left %d dead rows, %d bytes and %d views", st.DeadRows, st.ShelfBytes, st.Views)
	}
	if diff := cmp.Diff(map[string]string{"a": "3 a3", "b": "3 b3", "d": "2 d2"}, dump(t, x)); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
}
