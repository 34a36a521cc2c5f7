package main

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"sync"

	"github.com/freshet/freshet/accel"
)

// memory is an embedder that answers at once, from memory: what is measured is the way to it and back. It
// counts the texts that it is paid for.
type memory struct {
	dims   int
	stuck  bool      // it answers nothing until the request is given up
	stored []float32 // numbers that vectors are cut from; they compress as badly as real ones

	mu       sync.Mutex
	texts    int
	distinct map[uint64]struct{} // hashes of the texts seen; nil: they are not kept
	seed     maphash.Seed
}

func newMemory(dims int) *memory {
	m := &memory{dims: dims, stored: make([]float32, 1<<16+dims), seed: maphash.MakeSeed()}
	rng := rand.New(rand.NewPCG(1, 3))
	for i := range m.stored {
		m.stored[i] = float32(rng.NormFloat64())
	}
	return m
}

// Embed implements accel.Embedder.
func (m *memory) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	if m.stuck {
		<-ctx.Done()
		return accel.Reply{}, ctx.Err()
	}
	m.mu.Lock()
	m.texts += len(texts)
	if m.distinct != nil {
		for _, t := range texts {
			m.distinct[maphash.String(m.seed, t)] = struct{}{}
		}
	}
	m.mu.Unlock()
	flat := make([]float32, len(texts)*m.dims)
	reply := accel.Reply{Vectors: make([][]float32, len(texts))}
	for i, t := range texts {
		v := flat[i*m.dims : (i+1)*m.dims : (i+1)*m.dims]
		copy(v, m.stored[maphash.String(m.seed, t)&(1<<16-1):])
		reply.Vectors[i] = v
	}
	return reply, nil
}

// Identity implements accel.Embedder.
func (m *memory) Identity() accel.Identity {
	return accel.Identity{Provider: "memory", Model: "instant", Dims: m.dims}
}

// paid is how many texts were answered, and how many of them differ.
func (m *memory) paid() (texts, distinct int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.texts, len(m.distinct)
}
