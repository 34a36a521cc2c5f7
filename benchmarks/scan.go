package main

import (
	"context"
	"slices"

	"github.com/freshet/freshet/sinks/vector"
)

// scan is the plain search that an index is held against: every query against every vector, in float32.
type scan struct {
	queries [][]float32
	k       int
	best    [][]scored // by query, best first
}

type scored struct {
	row   int
	score float32
}

func newScan(queries [][]float32, k int) *scan {
	return &scan{queries: queries, k: k, best: make([][]scored, len(queries))}
}

// see scores a row for every query.
func (s *scan) see(row int, v []float32) {
	for i, q := range s.queries {
		score := dot(q, v)
		best := s.best[i]
		if len(best) == s.k && score <= best[s.k-1].score {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, score, func(b scored, want float32) int {
			if b.score > want {
				return -1
			}
			return 1
		})
		best = slices.Insert(best, at, scored{row, score})
		s.best[i] = best[:min(len(best), s.k)]
	}
}

func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

// recall is the share of the true best that searches of the index find.
func (s *scan) recall(ctx context.Context, x *vector.Index) (float64, error) {
	found, wanted := 0, 0
	for i, q := range s.queries {
		hits, err := x.Search(ctx, vector.Query{Vector: q, K: s.k, KeysOnly: true})
		if err != nil {
			return 0, err
		}
		wanted += len(s.best[i])
		for _, b := range s.best[i] {
			if slices.ContainsFunc(hits, func(h vector.Hit) bool { return string(h.Key) == string(rowKey(b.row)) }) {
				found++
			}
		}
	}
	return float64(found) / float64(wanted), nil
}
