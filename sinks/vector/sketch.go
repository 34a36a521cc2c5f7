package vector

import (
	"context"
	"math"
	"math/bits"

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

// sketched ranks the rows whose signs differ least from the query's, at least most of them if there are as many.
func (s *scan) sketched(ctx context.Context, t *top, lists []*list, most int) error {
	words := kernel.Words(s.enc.dims)
	n := 0
	for _, l := range lists {
		n += len(l.all())
	}
	all := make([]sketchedBlock, 0, n)
	counts := make([]int32, words*64+1)
	for _, l := range lists {
		for i, b := range l.all() {
			if i%cancelled == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if mask := s.mask(b); mask != 0 {
				all = append(all, sketchedBlock{block: b, mask: mask})
				s.compare(&all[len(all)-1], words, counts)
			}
		}
	}
	limit, kept := 0, int(counts[0])
	for kept < most && limit < len(counts)-1 {
		limit++
		kept += int(counts[limit])
	}
	for k := range all {
		c := &all[k]
		var near uint64
		for i, d := range &c.out {
			if int(d) <= limit {
				near |= 1 << i
			}
		}
		s.block(c.block, near&c.mask, t)
	}
	return nil
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
