package vector

import (
	"context"
	"math"
	"math/bits"

	"github.com/freshet/freshet/stream"
)

// scan is one pass over a part of a view.
type scan struct {
	enc    *encoder
	state  *state
	q      *query
	filter []uint64 // one word per block; nil with filtered false
	// filtered says that only slots in filter count.
	filtered bool
	alpha    float32 // rank = alpha·factor·product − beta·norm2
	beta     float32
	out      [blockRows]int32
	cores    int // how many goroutines may share the work
}

func newScan(e *encoder, st *state, q *query, cores int) *scan {
	s := &scan{enc: e, state: st, q: q, alpha: q.scale * 128, cores: cores}
	if e.metric == stream.L2 {
		s.alpha, s.beta = 2*s.alpha, 1
	}
	return s
}

// mask returns the slots of a block that count.
func (s *scan) mask(b *block) uint64 {
	mask := uint64(math.MaxUint64)
	if s.filtered {
		if int(b.id) >= len(s.filter) {
			return 0
		}
		mask = s.filter[b.id]
	}
	if mask != 0 {
		mask &= b.visible(s.state.epoch)
	}
	return mask
}

// all returns every block that may hold a row that counts: those that the filter names, if there is one.
func (s *scan) all() []*block {
	var out []*block
	if s.filtered {
		for id, word := range s.filter[:min(len(s.filter), len(s.state.blocks))] {
			if word != 0 {
				out = append(out, s.state.blocks[id])
			}
		}
		return out
	}
	for _, p := range s.state.layout.parts {
		for _, l := range p.lists {
			out = append(out, l.all()...)
		}
	}
	return out
}

// near returns the blocks of the nearest lists of each partition, all blocks of flat ones.
func (s *scan) near(probes int) []*block {
	var out []*block
	for _, p := range s.state.layout.parts {
		if p.flat() {
			out = append(out, p.lists[0].all()...)
			continue
		}
		for _, l := range s.nearest(p, probes) {
			out = append(out, p.lists[l].all()...)
		}
	}
	return out
}

// rank puts the best of the rows that mask tells of each block into t.
func (s *scan) rank(ctx context.Context, blocks []*block, t *top, mask func(i int) uint64) error {
	parts := make([]*top, s.parts(len(blocks)))
	for part := range parts {
		parts[part] = newTop(t.most)
	}
	err := s.spread(ctx, len(blocks), func(own *scan, part, i int) { own.block(blocks[i], mask(i), parts[part]) })
	for _, p := range parts {
		t.merge(p)
	}
	return err
}

// rankAll puts the best rows of the blocks into t.
func (s *scan) rankAll(ctx context.Context, blocks []*block, t *top) error {
	return s.rank(ctx, blocks, t, func(i int) uint64 { return s.mask(blocks[i]) })
}

// nearest returns the numbers of the n lists whose centroids rank best, in no order.
func (s *scan) nearest(p *partition, n int) []int {
	dots := make([]int32, len(p.lists))
	s.enc.set.Dot(dots, s.q.hi, p.centroids)
	ranks := make([]float32, len(dots))
	order := make([]int, len(dots))
	for i, d := range dots {
		ranks[i] = s.alpha*p.factor[i]*float32(d-s.q.sumHi) - s.beta*p.norm2[i]
		order[i] = i
	}
	if n >= len(order) {
		return order
	}
	// A heap of the best so far, the worst on top: most lists cost one comparison.
	best := order[:n]
	for i := n/2 - 1; i >= 0; i-- {
		sink(best, ranks, i)
	}
	for i := n; i < len(dots); i++ {
		if ranks[i] > ranks[best[0]] {
			best[0] = i
			sink(best, ranks, 0)
		}
	}
	return best
}

// sink restores the heap order below place i.
func sink(heap []int, ranks []float32, i int) {
	for {
		down := 2*i + 1
		if down >= len(heap) {
			return
		}
		if down+1 < len(heap) && ranks[heap[down+1]] < ranks[heap[down]] {
			down++
		}
		if ranks[heap[i]] <= ranks[heap[down]] {
			return
		}
		heap[i], heap[down] = heap[down], heap[i]
		i = down
	}
}

// block ranks the rows of one block that are in mask.
func (s *scan) block(b *block, mask uint64, t *top) {
	if mask == 0 {
		return
	}
	stride := s.enc.stride
	// Runs of visible slots only: the writer may be filling the others.
	for m := mask; m != 0; {
		from, n, rest := run(m)
		s.enc.set.Dot(s.out[from:from+n], s.q.hi, b.codes[from*stride:])
		m = rest
	}
	for m := mask; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		rank := s.alpha * b.factor[i] * float32(s.out[i]-s.q.sumHi)
		if s.beta != 0 {
			rank -= s.beta * b.norm2[i]
		}
		if rank >= t.least {
			t.push(candidate{rank: rank, place: uint8(i), block: b})
		}
	}
}

// refine replaces the ranks of candidates by scores, computed from both planes of codes and of the query.
func (s *scan) refine(list []candidate) {
	nibbles := make([]byte, s.enc.stride)
	for i := range list {
		list[i].rank = s.score(&list[i], nibbles)
	}
}

func (s *scan) score(c *candidate, nibbles []byte) float32 {
	e, q, b, i := s.enc, s.q, c.block, int(c.place)
	for j, f := range b.fine[i*e.fineBytes():][:e.fineBytes()] {
		nibbles[2*j] = f & 15
		if 2*j+1 < len(nibbles) {
			nibbles[2*j+1] = f >> 4
		}
	}
	codes := b.codes[i*e.stride:][:e.stride]
	coarse := 128*int64(s.product(q.hi, codes)-q.sumHi) + int64(s.product(q.lo, codes)-q.sumLo)
	// The bias of nibbles is 8, a sixteenth of that of codes.
	fine := 128*int64(s.product(q.hi, nibbles)-q.sumHi/16) + int64(s.product(q.lo, nibbles)-q.sumLo/16)
	product := float64(b.factor[i]) * float64(q.scale) * (float64(coarse) + float64(fine)/16)
	switch e.metric {
	case stream.Cosine:
		return float32(min(max(product, -1), 1))
	case stream.L2:
		return float32(-math.Sqrt(max(0, float64(q.norm2)+float64(b.norm2[i])-2*product)))
	}
	return float32(product)
}

func (s *scan) product(q []int8, row []byte) int32 {
	var out [1]int32
	s.enc.set.Dot(out[:], q, row)
	return out[0]
}
