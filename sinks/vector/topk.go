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

// top keeps the best candidates of a scan: a heap with the worst on top.
type top struct {
	heap []candidate
	most int
	// least is the rank that a row must exceed to be kept.
	least float32
}

func newTop(most int) *top {
	return &top{heap: make([]candidate, 0, min(most, 4096)), most: most, least: float32(math.Inf(-1))}
}

// push keeps a candidate whose rank exceeds least.
func (t *top) push(c candidate) {
	h := t.heap
	if len(h) < t.most {
		h = append(h, c)
		for i := len(h) - 1; i > 0; {
			up := (i - 1) / 2
			if h[up].rank <= h[i].rank {
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
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].rank < h[down].rank {
			down++
		}
		if h[down].rank >= c.rank {
			break
		}
		h[i] = h[down]
		i = down
	}
	h[i] = c
	t.least = h[0].rank
}

// merge takes over what the parts of a scan have found, in their order. A part may be nil.
func (t *top) merge(parts []*top) {
	for _, p := range parts {
		if p == nil {
			continue
		}
		for _, c := range p.heap {
			if c.rank > t.least {
				t.push(c)
			}
		}
	}
}

// ranked returns the candidates, best first; equal ranks are in order of keys, so that results are repeatable.
func ranked(list []candidate) []candidate {
	slices.SortFunc(list, func(a, b candidate) int {
		switch {
		case a.rank > b.rank:
			return -1
		case a.rank < b.rank:
			return 1
		case a.row().key < b.row().key:
			return -1
		case a.row().key > b.row().key:
			return 1
		}
		return 0
	})
	return list
}
