package vector

import (
	"slices"
	"sync/atomic"
)

// list is a set of blocks whose rows lie near one centroid, or all rows of a flat partition.
//
// Readers load blocks at any time: a block that the writer adds or removes meanwhile holds no row that their view
// sees, because blocks are removed only when no view sees a row in them.
type list struct {
	blocks atomic.Pointer[[]*block]
	open   []*block // blocks that may have a free place; the writer's
	rows   int      // live rows; the writer's
	whole  bool     // a split did not divide it; the writer's
}

func newList() *list {
	l := &list{}
	l.blocks.Store(&[]*block{})
	return l
}

func (l *list) all() []*block { return *l.blocks.Load() }

// add publishes one more block. Appending in place is safe: readers have their own length.
func (l *list) add(b *block) {
	b.list = l
	blocks := append(l.all(), b)
	l.blocks.Store(&blocks)
	l.reopen(b)
}

// reopen says that a block has a free place.
func (l *list) reopen(b *block) {
	if !b.open {
		b.open = true
		l.open = append(l.open, b)
	}
}

// room returns a block with a free place, or nil.
func (l *list) room() *block {
	for n := len(l.open); n > 0; n = len(l.open) {
		b := l.open[n-1]
		if b.used != ^uint64(0) {
			return b
		}
		b.open = false
		l.open = l.open[:n-1]
	}
	return nil
}

// drop takes out a block without rows.
func (l *list) drop(b *block) {
	old := l.all()
	blocks := make([]*block, 0, len(old))
	for _, o := range old {
		if o != b {
			blocks = append(blocks, o)
		}
	}
	l.blocks.Store(&blocks)
	if b.open {
		i := slices.Index(l.open, b)
		l.open = slices.Delete(l.open, i, i+1)
		b.open = false
	}
	b.list = nil
}

// partition divides rows into lists by their nearest centroid. It is immutable but for the inside of its lists; a
// flat partition has one list and no centroid.
type partition struct {
	lists     []*list
	centroids []byte // codes of the centroids, stride bytes each
	factor    []float32
	norm2     []float32
	trained   int // rows when the centroids were trained
}

func flatPartition() *partition { return &partition{lists: []*list{newList()}} }

func (p *partition) flat() bool { return len(p.centroids) == 0 }

// layout is the partitions that a view reads, oldest first. New rows go to the newest; maintenance drains the older
// ones into it, so that at rest there is one.
type layout struct{ parts []*partition }

func (l *layout) newest() *partition { return l.parts[len(l.parts)-1] }

// oldest returns the partition to drain, or nil at rest.
func (l *layout) oldest() *partition {
	if len(l.parts) == 1 {
		return nil
	}
	return l.parts[0]
}

// nearest returns the list that a row belongs to.
func (p *partition) nearest(e *encoder, row encoded, scratch *assignScratch) int {
	if p.flat() {
		return 0
	}
	q := scratch.query(e, row.codes)
	dots := scratch.dots(len(p.lists))
	e.set.Dot(dots, q, p.centroids)
	best, bestRank := 0, float32(0)
	for i, d := range dots {
		// |x−c|² without |x|²: the same order for cosine, where both have length near 1.
		rank := 2*row.factor*p.factor[i]*float32(d-scratch.sum) - p.norm2[i]
		if i == 0 || rank > bestRank {
			best, bestRank = i, rank
		}
	}
	return best
}

// assignScratch is the memory of one caller of nearest.
type assignScratch struct {
	q   []int8
	sum int32 // what the bias of the centroids adds to a product
	out []int32
}

// query turns the codes of a row into a query for the kernels.
func (s *assignScratch) query(e *encoder, codes []byte) []int8 {
	if s.q == nil {
		s.q = make([]int8, e.stride)
	}
	s.sum = 0
	for i, c := range codes[:e.dims] {
		v := int8(c - zeroCode)
		s.q[i] = v
		s.sum += int32(v) * zeroCode
	}
	return s.q
}

func (s *assignScratch) dots(n int) []int32 {
	if cap(s.out) < n {
		s.out = make([]int32, n)
	}
	return s.out[:n]
}
