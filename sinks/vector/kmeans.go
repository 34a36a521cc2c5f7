package vector

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/freshet/freshet/stream"
)

// trainRounds is how often k-means moves its centroids; later rounds change little.
const trainRounds = 8

// train finds n centroids for the rows of a sample, in rotated space, and returns them as a partition of empty
// lists. Two calls with the same sample and seed agree.
func train(ctx context.Context, e *encoder, sample []encoded, n int, r *rand.Rand) (*partition, error) {
	n = min(n, len(sample))
	sums := make([]float32, n*e.dims)
	for i, pick := range r.Perm(len(sample))[:n] {
		e.decode(sample[pick], sums[i*e.dims:][:e.dims])
	}
	p := e.centroids(sums, n)
	nearest := make([]int, len(sample))
	for range trainRounds {
		if err := assignAll(ctx, e, p, sample, nearest); err != nil {
			return nil, err
		}
		clear(sums)
		counts := make([]int, n)
		vec := make([]float32, e.dims)
		for i, c := range nearest {
			e.decode(sample[i], vec)
			counts[c]++
			for j, f := range vec {
				sums[c*e.dims+j] += f
			}
		}
		for c, count := range counts {
			centroid := sums[c*e.dims:][:e.dims]
			if count == 0 {
				// An empty list takes a random row for its centroid.
				e.decode(sample[r.IntN(len(sample))], centroid)
				continue
			}
			for j := range centroid {
				centroid[j] /= float32(count)
			}
		}
		p = e.centroids(sums, n)
	}
	for range n {
		p.lists = append(p.lists, newList())
	}
	return p, nil
}

// assignAll finds the nearest centroid of each row, on all cores.
func assignAll(ctx context.Context, e *encoder, p *partition, rows []encoded, nearest []int) error {
	workers := max(1, min(runtime.GOMAXPROCS(0), len(rows)/1024))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var scratch assignScratch
			for i := w * len(rows) / workers; i < (w+1)*len(rows)/workers; i++ {
				if i%1024 == 0 && ctx.Err() != nil {
					return
				}
				nearest[i] = p.nearest(e, rows[i], &scratch)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// decode writes the rotated vector of a row into vec.
func (e *encoder) decode(row encoded, vec []float32) {
	fine := row.codes[e.dims:]
	scale := row.factor / 16
	for i, c := range row.codes[:e.dims] {
		nibble := fine[i/2] >> (i % 2 * 4) & 15
		vec[i] = scale * float32(16*(int32(c)-zeroCode)+int32(nibble)-8)
	}
}

// centroids encodes n vectors, in rotated space, as centroids. Under cosine only directions count.
func (e *encoder) centroids(vecs []float32, n int) *partition {
	p := &partition{
		centroids: make([]byte, n*e.stride), factor: make([]float32, n), norm2: make([]float32, n),
	}
	for i := range n {
		p.setCentroid(e, i, vecs[i*e.dims:][:e.dims])
	}
	return p
}

func (p *partition) setCentroid(e *encoder, i int, vec []float32) {
	codes := p.centroids[i*e.stride:][:e.stride]
	for j := range codes {
		codes[j] = zeroCode
	}
	p.factor[i], p.norm2[i] = 0, 0
	most := greatest(vec)
	if most == 0 { // rows that cancel out: a centroid in the origin
		return
	}
	var norm2, along float32
	inv := 127 / most
	for j, f := range vec {
		c := roundToInt(f * inv)
		codes[j] = byte(c + zeroCode)
		norm2 += f * f
		along += float32(c) * f
	}
	p.factor[i], p.norm2[i] = norm2/along, norm2
	if e.metric == stream.Cosine {
		p.factor[i] /= float32(math.Sqrt(float64(norm2)))
		p.norm2[i] = 1
	}
}
