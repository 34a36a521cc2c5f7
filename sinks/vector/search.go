package vector

import (
	"context"
	"errors"
	"fmt"

	"github.com/freshet/freshet/sinks/vector/kernel"
)

// Query asks for the rows nearest to a vector.
type Query struct {
	Vector []float32
	K      int // hits wanted; more than there are rows is allowed
	// Terms must all be among the terms of a row.
	Terms [][]byte
	// Match decides about a row by its key and payload, which are valid during the call. Rows are asked about in order of their
	// score until K have matched. An error ends the search.
	Match func(key, payload []byte) (bool, error)
	// Exact ranks every row, also where the index is partitioned.
	Exact bool
	// KeysOnly leaves the payloads of hits nil, which saves reading them.
	KeysOnly bool
}

// Hit is a row that a search found. The caller owns its slices.
type Hit struct {
	Key     []byte
	Score   float32 // see Metric; from 12-bit codes, good to about 1 %
	Version uint64
	Payload []byte
}

// ErrNoResults: a query with K below 1.
var ErrNoResults = errors.New("k is below 1")

// errOvertaken: a payload that an unpinned view needs has been replaced.
var errOvertaken = errors.New("view was overtaken by a commit")

// attempts is how often a search starts again in a newer state before it makes writers keep old payloads.
const attempts = 3

// Search returns the K rows nearest to the query, best first, of one state of the index: the one at some moment
// during the call. Filters are exact at any selectivity: every hit matches, and K are found if there are K. Without
// Exact a partitioned index may miss a row now and then, see Options.TargetRecall.
func (x *Index) Search(ctx context.Context, q Query) ([]Hit, error) {
	for try := range attempts + 1 {
		// With Match a search reads many payloads, so that being overtaken is likely.
		v := x.view(q.Match != nil || try == attempts)
		hits, err := v.Search(ctx, q)
		v.Close()
		if !errors.Is(err, errOvertaken) {
			return hits, err
		}
		x.awaitPublished(v.state.epoch)
	}
	return nil, x.overtaken()
}

// overtaken explains why a pinned view was overtaken: a commit whose outcome is unknown, or damage.
func (x *Index) overtaken() error {
	x.writer.Lock()
	defer x.writer.Unlock()
	if x.failed != nil {
		return fmt.Errorf("search vector index after an uncertain commit: %w", x.failed)
	}
	return x.corrupt("search vector index", errMalformedRecord)
}

// Search is Index.Search in the fixed state of the view.
func (v *View) Search(ctx context.Context, q Query) ([]Hit, error) {
	if err := v.begin(ctx); err != nil {
		return nil, fmt.Errorf("search vector index: %w", err)
	}
	defer v.mu.RUnlock()
	if q.K < 1 {
		return nil, fmt.Errorf("search vector index: %w", ErrNoResults)
	}
	v.x.searches.Add(1)
	vec, err := v.x.enc.query(q.Vector)
	if err != nil {
		return nil, fmt.Errorf("search vector index: %w", err)
	}
	defer v.x.searching.Add(-1)
	s := newScan(v.x.enc, v.state, vec, cores(v.x.searching.Add(1)))
	matching := v.state.rows
	if len(q.Terms) > 0 {
		var n int
		s.filter, n = v.x.space.terms.filter(q.Terms)
		s.filtered = true
		matching = min(matching, n)
	}
	if matching == 0 {
		return nil, nil
	}
	hits, err := v.find(ctx, s, q, matching)
	if err != nil {
		return nil, fmt.Errorf("search vector index: %w", err)
	}
	return hits, nil
}

// margin is how many candidates beyond K a scan keeps, since codes alone do not rank exactly.
func margin(k int) int { return max(3*k, 54) }

// growth is by how much a search widens when too few candidates have matched.
const growth = 8

// find collects candidates, more of them until K have matched or all are known.
func (v *View) find(ctx context.Context, s *scan, q Query, matching int) ([]Hit, error) {
	k := min(q.K, matching)
	r := reader{v: v, match: q.Match, keysOnly: q.KeysOnly && q.Match == nil}
	for want, exact := k+margin(k), q.Exact; ; want *= growth {
		want = min(want, matching)
		exact = exact || want == matching
		t := newTop(want)
		if err := v.collect(ctx, s, t, matching, exact); err != nil {
			return nil, err
		}
		list := t.heap
		s.refine(list)
		hits, err := r.hits(ctx, ranked(list), k)
		if err != nil || len(hits) >= k || want == matching {
			return hits, err
		}
		if !exact && len(list) < want {
			exact = true // the lists that were read hold too few rows
		}
	}
}

// directRows is up to how many filtered rows each is ranked, whatever list it is in.
const directRows = 50_000

// collect fills t with the best candidates.
func (v *View) collect(ctx context.Context, s *scan, t *top, matching int, exact bool) error {
	tune, st := &v.x.tune, v.state
	newest := st.layout.newest()
	if exact || s.filtered && matching <= directRows || t.most > st.rows/20 || v.x.opts.TargetRecall == 1 {
		return s.rankAll(ctx, s.all(), t)
	}
	probes := widened(tune.probes(st.layout), st.rows, matching)
	blocks := s.near(probes)
	if st.rows < sketchFrom(s.enc.set) || !newest.flat() && s.enc.set != kernel.Portable {
		return s.rankAll(ctx, blocks, t)
	}
	return s.sketched(ctx, t, blocks, max(t.most, tune.sketched(st.rows)))
}

// widened returns how many lists to read so that as many rows count as without a filter.
func widened(probes, rows, matching int) int {
	return (probes*rows + matching - 1) / matching
}
