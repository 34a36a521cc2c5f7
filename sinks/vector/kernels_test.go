package vector

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/sinks/vector/kernel"
	"github.com/freshet/freshet/sinks/vector/vectortest"
	"github.com/freshet/freshet/stream"
)

// TestEveryKernelGivesTheSameHits opens one index with each set of kernels: exact searches agree, scores to the
// rounding of float32, and the sketches that slow machines rely on lose next to nothing.
func TestEveryKernelGivesTheSameHits(t *testing.T) {
	const dims, rows = 100, 5000
	for _, ivf := range []int{-1, 2000} {
		fs := vfs.NewMem()
		queries := vectortest.New(1, dims, vectortest.Hard)
		var txn Txn
		for i := range rows {
			txn.Upserts = append(txn.Upserts, Upsert{Key: fmt.Append(nil, i), Version: 1, Vector: queries.Next()})
		}
		var want [][]Hit
		vecs := queries.Take(12)
		for n, set := range kernel.Available() {
			x, err := open("index", Options{Dims: dims, FS: fs, IVFRows: ivf}, set)
			if err != nil {
				t.Fatal(err)
			}
			txn.Epoch = 1
			if err := x.Apply(t.Context(), &txn); err != nil {
				t.Fatal(err)
			}
			if err := x.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
			found := 0
			for i, vec := range vecs {
				exact, err := x.Search(t.Context(), Query{Vector: vec, K: 10, Exact: true})
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					want = append(want, exact)
				} else if diff := cmp.Diff(want[i], exact, cmp.Comparer(func(a, b float32) bool { return a-b < 1e-4 && b-a < 1e-4 })); diff != "" {
					t.Errorf("%v, ivf %d, query %d (-want +got):\n%s", set, ivf, i, diff)
				}
				usual, err := x.Search(t.Context(), Query{Vector: vec, K: 10})
				if err != nil {
					t.Fatal(err)
				}
				for _, u := range usual {
					for _, e := range exact {
						if string(u.Key) == string(e.Key) {
							found++
						}
					}
				}
			}
			if recall := float64(found) / float64(10*len(vecs)); recall < 0.98 {
				t.Errorf("%v, ivf %d: recall %v of searches; %+v", set, ivf, recall, x.Stats())
			}
			if got := x.Stats().Kernel; got != set.String() {
				t.Errorf("kernel is %s, want %s", got, set)
			}
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// All lists that a search reads may have lost their rows, until maintenance dissolves them.
func TestASearchGoesOnWhereTheNearestListsAreEmpty(t *testing.T) {
	const dims, stay, all = 8, 4500, 7000
	for _, set := range kernel.Available() {
		x, err := open("index", Options{Dims: dims, FS: vfs.NewMem(), IVFRows: 1000}, set)
		if err != nil {
			t.Fatal(err)
		}
		src := vectortest.New(1, dims, vectortest.Noise)
		txn, gone := Txn{Epoch: 1}, Txn{Epoch: 2}
		for i := range all {
			vec := src.Next()
			vec[0] += 4
			if i >= stay { // on the other side
				vec[0] -= 8
				gone.Deletes = append(gone.Deletes, Delete{Key: fmt.Append(nil, i), Version: 2})
			}
			txn.Upserts = append(txn.Upserts, Upsert{Key: fmt.Append(nil, i), Version: 1, Vector: vec})
		}
		err = errors.Join(x.Apply(t.Context(), &txn), x.Maintain(t.Context()), x.Apply(t.Context(), &gone), x.Apply(t.Context(), &Txn{Epoch: 3}))
		if err != nil {
			t.Fatal(err)
		}
		x.tune.probed.Store(2)
		hits, err := x.Search(t.Context(), Query{Vector: []float32{-1, 0, 0, 0, 0, 0, 0, 0}, K: 10})
		if err != nil || len(hits) != 10 {
			t.Errorf("%v: %d hits of 10: %v", set, len(hits), err)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRotationKeepsLengthsAndAngles(t *testing.T) {
	for _, dims := range []int{1, 2, 3, 5, 64, 100, 384, 1536} {
		e := newEncoder(dims, stream.L2, kernel.Best())
		src := vectortest.New(uint64(dims), dims, vectortest.Noise)
		a, b := src.Next(), src.Next()
		ra, rb := append([]float32{}, a...), append([]float32{}, b...)
		e.rotate(ra)
		e.rotate(rb)
		for _, c := range [][4][]float32{{a, a, ra, ra}, {a, b, ra, rb}} {
			want, got := e.set.DotFloat(c[0], c[1]), e.set.DotFloat(c[2], c[3])
			if d := got - want; d > 1e-5 || d < -1e-5 {
				t.Errorf("%d dimensions: product %v became %v", dims, want, got)
			}
		}
	}
}

// TestCodesOfAnEncodingNeverChange pins the codes of one vector: they are on disk.
func TestCodesOfAnEncodingNeverChange(t *testing.T) {
	e := newEncoder(10, stream.Cosine, kernel.Portable)
	v := []float32{1, -2, 3, -4, 5, -6, 7, -8, 9, -10}
	row, err := e.encode(v, make([]byte, e.codeBytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "b898790c9e554fff841889d3b78328 0.004501 1.000000"
	if got := fmt.Sprintf("%x %.6f %.6f", row.codes, row.factor, row.norm2); got != want {
		t.Errorf("encoding %d gives %s, want %s: raise encodingVersion", encodingVersion, got, want)
	}
}
