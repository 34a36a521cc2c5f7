package vector_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/sinks/vector/vectortest"
)

// Not parallel: it sets how many cores there are.
func TestHitsAreTheSameHoweverManyCoresSearch(t *testing.T) {
	const dims = 16
	for _, shape := range []struct {
		name string
		rows int
		opts vector.Options
	}{
		{"codes of one list", 20_000, vector.Options{Dims: dims, IVFRows: -1}},
		{"sketches of one list", 34_000, vector.Options{Dims: dims, IVFRows: -1}},
		{"some of many lists", 34_000, vector.Options{Dims: dims, IVFRows: 10_000}},
	} {
		t.Run(shape.name, func(t *testing.T) {
			x := open(t, vfs.NewMem(), shape.opts)
			src := vectortest.New(3, dims, vectortest.Easy)
			rows := src.Take(shape.rows)
			for i := range rows {
				if i%100 == 7 {
					rows[i] = rows[7] // more than a search keeps
				}
			}
			// Those that are nearer come behind equal ones, and push some of these out again.
			random := rand.New(rand.NewPCG(1, 1))
			asked := nudged(random, rows[7], 0.3)
			for i := range 30 {
				rows[len(rows)-1-i] = nudged(random, asked, 0.03)
			}
			fill(t, x, rows)
			if err := x.Maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
			queries := append(src.Take(20), rows[7], asked)
			want := searchOn(t, 1, x, queries)
			for _, cores := range []int{2, 3, 8} {
				if diff := cmp.Diff(want, searchOn(t, cores, x, queries)); diff != "" {
					t.Errorf("%d cores (-one +many):\n%s", cores, diff)
				}
			}
		})
	}
}

// nudged returns a vector that lies about so far from another one.
func nudged(random *rand.Rand, vec []float32, far float64) []float32 {
	out := make([]float32, len(vec))
	for i, f := range vec {
		out[i] = f + float32(random.NormFloat64()*far/math.Sqrt(float64(len(vec))))
	}
	return out
}

// searchOn returns keys and scores of the hits of each query.
func searchOn(t *testing.T, cores int, x *vector.Index, queries [][]float32) (out [][]string) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	even := func(key, _ []byte) (bool, error) { return (key[len(key)-1]-'0')%2 == 0, nil }
	for _, vec := range queries {
		for _, filter := range []vector.Query{{}, {Exact: true}, {Match: even}} {
			filter.Vector, filter.K = vec, 40
			var hits []string
			for _, h := range search(t, x, filter) {
				hits = append(hits, fmt.Sprintf("%s %v", h.Key, h.Score))
			}
			out = append(out, hits)
		}
	}
	return out
}
