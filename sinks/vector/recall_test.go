package vector_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/sinks/vector/vectortest"
)

// corpus is vectors by key, to compare searches with.
type corpus map[string][]float32

// best returns the score of the k-th nearest row and how many rows score as well, by brute force over float vectors.
func (c corpus) best(q []float32, k int) map[string]bool {
	type scored struct {
		key   string
		score float32
	}
	list := make([]scored, 0, len(c))
	for key, v := range c {
		var dot float32
		for i, x := range v {
			dot += x * q[i]
		}
		list = append(list, scored{key, dot})
	}
	slices.SortFunc(list, func(a, b scored) int {
		if a.score > b.score {
			return -1
		}
		return 1
	})
	set := map[string]bool{}
	for _, s := range list[:min(k, len(list))] {
		set[s.key] = true
	}
	return set
}

// recall returns the share of the true ten best that searches find.
func (c corpus) recall(t *testing.T, x *vector.Index, queries [][]float32) float64 {
	t.Helper()
	found, wanted := 0, 0
	for _, q := range queries {
		want := c.best(q, 10)
		wanted += len(want)
		for _, h := range search(t, x, vector.Query{Vector: q, K: 10, KeysOnly: true}) {
			if want[string(h.Key)] {
				found++
			}
		}
	}
	return float64(found) / float64(wanted)
}

// TestRecallSurvivesChurn replaces half of the rows five times over, then deletes a fifth, on flat and partitioned
// indexes of easy and hard data, and measures recall against float vectors at each stage.
func TestRecallSurvivesChurn(t *testing.T) {
	rows, dims := 4000, 64
	if os.Getenv("FRESHET_SOAK") == "1" {
		rows, dims = 50_000, 384
	} else if testing.Short() {
		rows = 2000
	}
	for _, c := range []struct {
		name  string
		shape vectortest.Shape
		ivf   int
	}{
		{"flat, easy", vectortest.Easy, -1}, {"flat, hard", vectortest.Hard, -1},
		{"partitioned, easy", vectortest.Easy, 1000}, {"partitioned, hard", vectortest.Hard, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := open(t, vfs.NewMem(), vector.Options{Dims: dims, IVFRows: c.ivf})
			src := vectortest.New(1, dims, c.shape)
			queries := src.Take(25)
			truth := corpus{}
			epoch := uint64(0)
			check := func(stage string) {
				if err := x.Maintain(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := truth.recall(t, x, queries); got < 0.99 {
					t.Errorf("%s: recall %v, want 0.99 or more; %+v", stage, got, x.Stats())
				}
				report, err := x.Audit(t.Context(), 100)
				if err != nil || report.Unreachable != 0 || report.Recall < 0.98 || report.Sample != 100 {
					t.Errorf("%s: audit says %+v, %v", stage, report, err)
				}
				if x.Len() != len(truth) {
					t.Errorf("%s: %d rows, want %d", stage, x.Len(), len(truth))
				}
			}
			write := func(keys []int) {
				for part := range slices.Chunk(keys, 500) {
					epoch++
					txn := vector.Txn{Epoch: epoch}
					for _, k := range part {
						key := fmt.Sprint(k)
						truth[key] = src.Next()
						txn.Upserts = append(txn.Upserts, up(key, epoch, "", truth[key]...))
					}
					apply(t, x, txn)
				}
			}
			r := rand.New(rand.NewPCG(3, 3))
			write(r.Perm(rows))
			check("fresh")
			steady := x.Stats().RowBytes
			for range 5 {
				write(r.Perm(rows)[:rows/2])
			}
			check("after 250 % churn")
			if got := x.Stats().RowBytes; float64(got) > 1.3*float64(steady) {
				t.Errorf("churn took memory from %d to %d bytes", steady, got)
			}
			epoch++
			txn := vector.Txn{Epoch: epoch}
			for _, k := range r.Perm(rows)[:rows/5] {
				txn.Deletes = append(txn.Deletes, del(fmt.Sprint(k), epoch))
				delete(truth, fmt.Sprint(k))
			}
			apply(t, x, txn)
			check("after deleting a fifth")
		})
	}
}

// TestListsSplitAndMergeAsDataDrifts moves all data from some clusters to others, so that old lists empty and new
// ones crowd.
func TestListsSplitAndMergeAsDataDrifts(t *testing.T) {
	const dims, rows = 32, 6000
	x := open(t, vfs.NewMem(), vector.Options{Dims: dims, IVFRows: 2000})
	truth := corpus{}
	old := vectortest.New(1, dims, vectortest.Hard)
	fill(t, x, old.Take(rows))
	if err := x.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := x.Stats()
	narrow := vectortest.New(2, dims, vectortest.Shape{Clusters: 2, Inner: 8, Spread: 0.5, Noise: 0.2})
	_, epoch, _ := x.Progress()
	for at := 0; at < rows; at += 500 {
		epoch++
		txn := vector.Txn{Epoch: epoch}
		for i := at; i < at+500; i++ {
			v := narrow.Next()
			truth[fmt.Sprint(i)] = v
			txn.Upserts = append(txn.Upserts, up(fmt.Sprint(i), epoch, "", v...))
		}
		apply(t, x, txn)
	}
	if err := x.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := x.Stats()
	if before.Lists < 8 || after.Lists < 4 || after.Draining != 0 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if got := truth.recall(t, x, narrow.Take(40)); got < 0.99 {
		t.Errorf("recall %v after the drift; %+v", got, after)
	}
	report, err := x.Audit(t.Context(), 300)
	if err != nil || report.Unreachable != 0 {
		t.Errorf("audit: %+v, %v", report, err)
	}
	// Rows that are all alike cannot be divided: maintenance still ends.
	epoch++
	txn := vector.Txn{Epoch: epoch}
	for i := range rows {
		txn.Upserts = append(txn.Upserts, up(fmt.Sprint(i), epoch, "", truth["0"]...))
	}
	apply(t, x, txn)
	if err := x.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if hits := search(t, x, vector.Query{Vector: truth["0"], K: 10}); len(hits) != 10 || hits[9].Score < 0.999 {
		t.Errorf("among rows that are all alike: %v", hits)
	}
}

// TestFiltersAreExactAtEverySelectivity compares filters of half of the rows down to one row with brute force, on
// a partitioned index, by terms, by payload, and by both.
func TestFiltersAreExactAtEverySelectivity(t *testing.T) {
	const dims, rows = 32, 4000
	shares := []int{2, 10, 100, 1000, rows}
	x := open(t, vfs.NewMem(), vector.Options{Dims: dims, IVFRows: 1000})
	src := vectortest.New(1, dims, vectortest.Hard)
	all := src.Take(rows)
	for at := 0; at < rows; at += 1000 {
		txn := vector.Txn{Epoch: uint64(at/1000 + 1)}
		for i := at; i < at+1000; i++ {
			u := up(fmt.Sprint(i), 1, fmt.Sprint(i), all[i]...)
			for _, share := range shares {
				if i%share == 0 {
					u.Terms = append(u.Terms, fmt.Appendf(nil, "one in %d", share))
				}
			}
			txn.Upserts = append(txn.Upserts, u)
		}
		apply(t, x, txn)
	}
	if err := x.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, share := range shares {
		matching := corpus{}
		for i := 0; i < rows; i += share {
			matching[fmt.Sprint(i)] = all[i]
		}
		term := [][]byte{fmt.Appendf(nil, "one in %d", share)}
		asked := 0
		match := func(_, p []byte) (bool, error) {
			var i int
			fmt.Sscan(string(p), &i)
			asked++
			return i%share == 0, nil
		}
		for how, q := range map[string]vector.Query{
			"terms": {Terms: term}, "payload": {Match: match}, "both": {Terms: term, Match: match},
		} {
			found, wanted := 0, 0
			for _, vec := range src.Take(10) {
				q.Vector, q.K = vec, 10
				want := matching.best(vec, 10)
				wanted += len(want)
				hits := search(t, x, q)
				if len(hits) != len(want) {
					t.Fatalf("one in %d by %s: %d hits, want %d", share, how, len(hits), len(want))
				}
				for _, h := range hits {
					if matching[string(h.Key)] == nil {
						t.Fatalf("one in %d by %s: row %s does not match", share, how, h.Key)
					}
					if want[string(h.Key)] {
						found++
					}
				}
			}
			if found < wanted-1 { // one pair of rows may be nearer than 12 bits can tell
				t.Errorf("one in %d by %s: %d of %d found", share, how, found, wanted)
			}
			if how == "both" && share == 2 && asked > 10*32+100 {
				t.Errorf("the payload filter was asked %d times for 100 hits that all match", asked)
			}
			asked = 0
		}
	}
	if hits := search(t, x, vector.Query{Vector: all[0], K: 5, Terms: [][]byte{[]byte("one in 2"), []byte("nothing has this")}}); len(hits) != 0 {
		t.Errorf("a term that no row has: %d hits", len(hits))
	}
}

// TestSearchesStayRightWhileRowsMove partitions an index under readers: what they find does not change.
func TestSearchesStayRightWhileRowsMove(t *testing.T) {
	const dims, rows = 32, 5000
	fs := vfs.NewMem()
	x := open(t, fs, vector.Options{Dims: dims, IVFRows: -1})
	src := vectortest.New(1, dims, vectortest.Easy)
	fill(t, x, src.Take(rows))
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = open(t, fs, vector.Options{Dims: dims, IVFRows: 1000})
	query := src.Next()
	want := keys(search(t, x, vector.Query{Vector: query, K: 10, Exact: true}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		if err := x.Maintain(t.Context()); err != nil {
			t.Errorf("maintain: %v", err)
		}
	})
	for n := 0; ctx.Err() == nil || n < 10; n++ {
		if got := keys(search(t, x, vector.Query{Vector: query, K: 10, Exact: true})); !slices.Equal(got, want) {
			t.Fatalf("exact search %d: got %v, want %v", n, got, want)
		}
		if hits := search(t, x, vector.Query{Vector: query, K: rows + 5, KeysOnly: true}); len(hits) != rows {
			t.Fatalf("search %d: %d rows, want %d", n, len(hits), rows)
		}
	}
	wg.Wait()
	if st := x.Stats(); st.Lists < 2 || st.Draining != 0 {
		t.Errorf("not partitioned: %+v", st)
	}
}
