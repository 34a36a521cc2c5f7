// Package vectortest makes the synthetic vectors that the tests and benchmarks of vector indexes share. The same
// [Shape] and seed always give the same vectors, so that figures can be repeated.
//
// It imports none of Freshet's packages.
package vectortest

import (
	"math"
	"math/rand/v2"
)

// Shape says how vectors lie in space: clusters whose centres are random unit vectors, a low-dimensional structure
// inside each cluster, and noise in all dimensions. Real embeddings lie between [Easy] and [Noise].
type Shape struct {
	Clusters int     // number of centres; 0 means none, so that vectors are pure noise
	Inner    int     // dimensions of the structure inside a cluster
	Spread   float64 // length of the structure, relative to the centre's length 1
	Noise    float64 // length of the noise, relative to the centre's length 1
}

// The three shapes that figures are stated for.
var (
	Easy  = Shape{Clusters: 500, Inner: 16, Spread: 0.6, Noise: 0.2}
	Hard  = Shape{Clusters: 50, Inner: 16, Spread: 0.4, Noise: 0.5}
	Noise = Shape{Noise: 1}
)

// Source draws vectors of one shape. It is not safe for concurrent use.
type Source struct {
	dims    int
	shape   Shape
	rand    *rand.Rand
	centres [][]float32
	bases   [][]float32 // per cluster, Inner directions one behind the other
}

// New returns a source of unit vectors with dims dimensions.
func New(seed uint64, dims int, shape Shape) *Source {
	s := &Source{dims: dims, shape: shape, rand: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
	for range shape.Clusters {
		s.centres = append(s.centres, s.gauss(1))
		basis := make([]float32, 0, shape.Inner*dims)
		for range shape.Inner {
			basis = append(basis, s.gauss(1)...)
		}
		s.bases = append(s.bases, basis)
	}
	return s
}

// gauss returns a vector of independent normal values whose expected length is length.
func (s *Source) gauss(length float64) []float32 {
	v := make([]float32, s.dims)
	scale := length / math.Sqrt(float64(s.dims))
	for i := range v {
		v[i] = float32(s.rand.NormFloat64() * scale)
	}
	return v
}

// Next returns the next vector, of length 1. The caller owns it.
func (s *Source) Next() []float32 {
	v := s.gauss(s.shape.Noise)
	if s.shape.Clusters > 0 {
		c := s.rand.IntN(s.shape.Clusters)
		for i, x := range s.centres[c] {
			v[i] += x
		}
		scale := s.shape.Spread / math.Sqrt(float64(max(1, s.shape.Inner)))
		for j := range s.shape.Inner {
			w := float32(s.rand.NormFloat64() * scale)
			for i, x := range s.bases[c][j*s.dims:][:s.dims] {
				v[i] += w * x
			}
		}
	}
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	inv := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= inv
	}
	return v
}

// Take returns the next n vectors.
func (s *Source) Take(n int) [][]float32 {
	vs := make([][]float32, n)
	for i := range vs {
		vs[i] = s.Next()
	}
	return vs
}
