package vector_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/sinks/vector/vectortest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerDir); dir != "" {
		writeUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// huntTime is how long readers hunt for half an update.
func huntTime() time.Duration {
	switch {
	case os.Getenv("FRESHET_SOAK") == "1":
		return 2 * time.Minute
	case testing.Short():
		return 300 * time.Millisecond
	}
	return 2 * time.Second
}

// TestReadersNeverSeeHalfAnUpdate replaces documents of 2 to 120 chunks, each in one transaction, while four readers
// search and maintenance moves rows about. Every chunk says its document's revision and size: a reader that finds
// two revisions, or not every chunk, has seen a half; one that finds none has seen a gap. (I8)
func TestReadersNeverSeeHalfAnUpdate(t *testing.T) {
	const docs, dims = 12, 32
	x := open(t, vfs.NewMem(), vector.Options{Dims: dims, IVFRows: 200, TargetRecall: 0.99})
	src := vectortest.New(11, dims, vectortest.Noise)
	sizes := make([]int, docs)
	replace := func(epoch uint64, doc int, r *rand.Rand) vector.Txn {
		txn := vector.Txn{Epoch: epoch}
		size := 2 + r.IntN(119)
		for c := range size {
			txn.Upserts = append(txn.Upserts, vector.Upsert{
				Key: fmt.Appendf(nil, "%d/%d", doc, c), Version: epoch, Vector: src.Next(),
				Payload: fmt.Appendf(nil, "%d %d %d", doc, epoch, size), Terms: [][]byte{fmt.Appendf(nil, "doc%d", doc)},
			})
		}
		for c := size; c < sizes[doc]; c++ {
			txn.Deletes = append(txn.Deletes, vector.Delete{Key: fmt.Appendf(nil, "%d/%d", doc, c), Version: epoch})
		}
		sizes[doc] = size
		return txn
	}
	r := rand.New(rand.NewPCG(1, 1))
	epoch := uint64(0)
	for doc := range docs {
		epoch++
		apply(t, x, replace(epoch, doc, r))
	}
	ctx, cancel := context.WithTimeout(t.Context(), huntTime())
	defer cancel()
	var wg sync.WaitGroup
	var reads atomic.Int64
	for reader := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(reader), 2))
			query := vectortest.New(uint64(reader), dims, vectortest.Noise).Next()
			for ctx.Err() == nil {
				q := vector.Query{Vector: query, K: 1000}
				doc := r.IntN(docs)
				term := fmt.Sprintf("doc%d", doc)
				switch reader {
				case 0, 1:
					q.Terms = [][]byte{[]byte(term)}
				case 2:
					q.Match = func(_, p []byte) (bool, error) { return strings.HasPrefix(string(p), strconv.Itoa(doc)+" "), nil }
				}
				hits, err := x.Search(context.Background(), q)
				if err != nil {
					t.Errorf("search: %v", err)
					return
				}
				if q.Terms == nil && q.Match == nil {
					hits = only(hits, doc)
				}
				checkWhole(t, doc, hits)
				reads.Add(1)
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := x.Maintain(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("maintain: %v", err)
				return
			}
		}
	})
	for ctx.Err() == nil {
		epoch++
		apply(t, x, replace(epoch, r.IntN(docs), r))
	}
	wg.Wait()
	t.Logf("%d whole reads over %d replacements, %+v", reads.Load(), epoch, x.Stats())
	if reads.Load() < 20 {
		t.Errorf("only %d reads", reads.Load())
	}
}

func only(hits []vector.Hit, doc int) []vector.Hit {
	var list []vector.Hit
	for _, h := range hits {
		if strings.HasPrefix(string(h.Key), strconv.Itoa(doc)+"/") {
			list = append(list, h)
		}
	}
	return list
}

// checkWhole reports a document of which a reader saw a half, or nothing.
func checkWhole(t *testing.T, doc int, hits []vector.Hit) {
	if len(hits) == 0 {
		t.Errorf("document %d is absent", doc)
		return
	}
	var of, revision, size int
	for i, h := range hits {
		var d, r, s int
		fmt.Sscan(string(h.Payload), &d, &r, &s)
		if i == 0 {
			of, revision, size = d, r, s
		}
		if d != doc || d != of || r != revision || uint64(r) != h.Version || s != len(hits) {
			t.Errorf("document %d: chunk %q of revision %d and size %d beside revision %d and size %d, %d chunks",
				doc, h.Key, r, s, revision, size, len(hits))
			return
		}
	}
}

// TestAViewIsOneStateForAllItsCalls holds views while writers run, and compares two kinds of call on each.
func TestAViewIsOneStateForAllItsCalls(t *testing.T) {
	x := open(t, vfs.NewMem(), vector.Options{Dims: 8, IVFRows: 50})
	src := vectortest.New(1, 8, vectortest.Noise)
	query := src.Next()
	ctx, cancel := context.WithTimeout(t.Context(), huntTime()/2)
	defer cancel()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				v := x.View()
				seen := map[string]string{}
				err := v.Scan(context.Background(), func(k []byte, version uint64, p []byte) error {
					seen[string(k)] = fmt.Sprint(version, string(p))
					return nil
				})
				hits, searchErr := v.Search(context.Background(), vector.Query{Vector: query, K: 1 << 20})
				if err = errors.Join(err, searchErr); err != nil || len(hits) != len(seen) || len(hits) != v.Len() {
					t.Errorf("%d hits, %d scanned, %d rows, %v", len(hits), len(seen), v.Len(), err)
				}
				for _, h := range hits {
					if got := fmt.Sprint(h.Version, string(h.Payload)); seen[string(h.Key)] != got {
						t.Errorf("row %q: search says %q, scan %q", h.Key, got, seen[string(h.Key)])
					}
				}
				v.Close()
			}
		})
	}
	wg.Go(func() {
		if err := x.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	r := rand.New(rand.NewPCG(5, 5))
	for epoch := uint64(1); ctx.Err() == nil; epoch++ {
		txn := vector.Txn{Epoch: epoch}
		for range 20 {
			k := fmt.Sprint(r.IntN(300))
			if r.IntN(3) == 0 {
				txn.Deletes = append(txn.Deletes, del(k, epoch))
			} else {
				txn.Upserts = append(txn.Upserts, up(k, epoch, fmt.Sprintf("%s at %d", k, epoch), src.Next()...))
			}
		}
		apply(t, x, txn)
	}
	wg.Wait()
	if st := x.Stats(); st.Views != 0 {
		t.Errorf("%d views are left open", st.Views)
	}
}
