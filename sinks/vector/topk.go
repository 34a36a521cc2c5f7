package vector

import (
	"math"
	"slices"
)

// candidate is a row that a scan found, with its rank: greater is nearer.
type candidate struct {
	rank  float32
	place uint8
	block *block
}

func (c *candidate) row() *rowInfo { return &c.block.rows[c.place] }

// under reports whether a candidate comes behind another: it is less near, or as near and its key is greater. No two are
// equal, so that what is kept depends neither on where rows lie nor on how many cores look for them.
func (c *candidate) under(other *candidate) bool {
	if c.rank != other.rank {
		return c.rank < other.rank
	}
	return c.row().key > other.row().key
}

// top keeps the best candidates of a scan: a heap with the last of them on top.
type top struct {
	heap []candidate
	most int
	// least is the rank that a row must have at least to be kept.
	least float32
}

func newTop(most int) *top {
	return &top{heap: make([]candidate, 0, min(most, 4096)), most: most, least: float32(math.Inf(-1))}
}

// push keeps a candidate if it is among the best so far.
func (t *top) push(c candidate) {
	h := t.heap
	if len(h) < t.most {
		h = append(h, c)
		for i := len(h) - 1; i > 0; {
			up := (i - 1) / 2
			if h[up].under(&h[i]) {
				break
			}
			h[up], h[i] = h[i], h[up]
			i = up
		}
		t.heap = h
		if len(h) == t.most {
			t.least = h[0].rank
		}
		return
	}
	if c.under(&h[0]) {
		return
	}
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].under(&h[down]) {
			down++
		}
		if c.under(&h[down]) {
			break
		}
		h[i] = h[down]
		i = down
	}
	h[i] = c
	t.least = h[0].rank
}

// merge takes over what a part of a scan has found.
func (t *top) merge(part *top) {
	for _, c := range part.heap {
		if c.rank >= t.least {
			t.push(c)
		}
	}
}

// ranked returns the candidates, best first.
func ranked(list []candidate) []candidate {
	slices.SortFunc(list, func(a, b candidate) int {
		switch {
		case b.under(&a):
			return -1
		case a.under(&b):
			return 1
		}
		return 0
	})
	return list
}
