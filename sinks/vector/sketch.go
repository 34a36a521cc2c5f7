package vector

import (
	"context"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/freshet/freshet/sinks/vector/kernel"
)

// sketch stores the signs of codes in words, one bit each.
func sketch(codes []byte, words []uint64) {
	for w := range words {
		var word uint64
		for i, c := range codes[w*64 : min(len(codes), w*64+64)] {
			word |= uint64(c>>7) << i
		}
		words[w] = word
	}
}

// sketchFrom returns from how many rows on a flat scan looks at sketches first. A sketch is an eighth of the codes,
// so that it pays as soon as codes do not fit into the caches, and much earlier where int8 kernels are slow.
func sketchFrom(set kernel.Set) int {
	if set == kernel.Portable {
		return 4096
	}
	return 32_768
}

// sketchedBlock is a block whose sketches have been compared.
type sketchedBlock struct {
	block *block
	mask  uint64
	out   [blockRows]uint16
}

// sketchPool keeps what searches have compared in, a few hundred KiB each, so that they do not pay for its collection.
var sketchPool = sync.Pool{New: func() any { return new([]sketchedBlock) }}

// sketched ranks the rows whose signs differ least from the query's, at least most of them if there are as many.
func (s *scan) sketched(ctx context.Context, t *top, blocks []*block, most int) error {
	words := kernel.Words(s.enc.dims)
	compared := sketchPool.Get().(*[]sketchedBlock)
	defer sketchPool.Put(compared)
	all := slices.Grow((*compared)[:0], len(blocks))[:len(blocks)]
	*compared = all
	counts := make([][]int32, s.parts(len(blocks)))
	for part := range counts {
		counts[part] = make([]int32, words*64+1)
	}
	err := s.spread(ctx, len(blocks), func(own *scan, part, i int) {
		c := &all[i]
		c.block, c.mask = blocks[i], own.mask(blocks[i])
		own.compare(c, words, counts[part])
	})
	if err != nil {
		return err
	}
	limit := differing(counts, most)
	return s.rank(ctx, blocks, t, func(i int) uint64 { return all[i].near(limit) & all[i].mask })
}

// differing returns in how many signs rows may differ so that at least most of them are left, or all.
func differing(counts [][]int32, most int) int {
	limit, kept := -1, 0
	for limit < 0 || kept < most && limit < len(counts[0])-1 {
		limit++
		for _, part := range counts {
			kept += int(part[limit])
		}
	}
	return limit
}

// near returns the rows that differ in no more than limit signs.
func (c *sketchedBlock) near(limit int) uint64 {
	var near uint64
	for i, d := range &c.out {
		if int(d) <= limit {
			near |= 1 << i
		}
	}
	return near
}

// compare finds in how many signs each row of a block differs from the query, and counts the rows by that.
func (s *scan) compare(c *sketchedBlock, words int, counts []int32) {
	for m := c.mask; m != 0; {
		from, n, rest := run(m)
		s.enc.set.Hamming(c.out[from:from+n], s.q.bits, c.block.sketch[from*words:])
		for _, d := range c.out[from : from+n] {
			counts[d]++
		}
		m = rest
	}
}

// run returns the lowest run of set bits of a mask and the mask without it.
func run(m uint64) (from, n int, rest uint64) {
	from = bits.TrailingZeros64(m)
	n = bits.TrailingZeros64(^(m >> from))
	if from+n >= blockRows {
		return from, blockRows - from, 0
	}
	return from, n, m & (math.MaxUint64 << (from + n))
}
