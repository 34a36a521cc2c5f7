package builtin

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/freshet/freshet/accel"
)

const (
	// Revision is the version of the model, as [Embedder.Identity] reports it: that of the algorithm, and the
	// beginning of the SHA-256 of vocabulary and vectors.
	Revision = "2-4147bfa2"
	// model is its name.
	model = "static-minilm"
	// DefaultDims is the length of the vectors unless told otherwise.
	DefaultDims = 256

	minDims, maxDims = 16, columns
)

// Embedder is the built-in model.
type Embedder struct {
	dims      int
	pieces    *pieces
	notebooks sync.Pool // *notebook
}

var _ accel.Embedder = (*Embedder)(nil)

// New returns a model with vectors of dims numbers, from 16 to 256, or [DefaultDims] when it is 0. Shorter vectors
// are the beginnings of longer ones: the first numbers tell most.
func New(dims int) (*Embedder, error) {
	if dims == 0 {
		dims = DefaultDims
	}
	if dims < minDims || dims > maxDims {
		return nil, fmt.Errorf("dims %d: want %d to %d", dims, minDims, maxDims)
	}
	e := &Embedder{dims: dims, pieces: newPieces(vocabulary)}
	e.notebooks.New = func() any { return &notebook{counts: make([]uint32, rows)} }
	return e, nil
}

// Identity returns provider "builtin", the model and its revision.
func (e *Embedder) Identity() accel.Identity {
	return accel.Identity{Provider: "builtin", Model: model, Revision: Revision, Dims: e.dims}
}

// Embed returns the vectors of the texts; they share one array. It computes in the calling goroutine,
// uses nothing that is charged for, and fails only when ctx ends.
func (e *Embedder) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	n := e.notebooks.Get().(*notebook)
	defer e.giveBack(n)
	reply := accel.Reply{Model: model, Vectors: make([][]float32, len(texts))}
	flat := make([]float32, len(texts)*e.dims)
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return accel.Reply{}, err
		}
		vector := flat[i*e.dims : (i+1)*e.dims : (i+1)*e.dims]
		n.embed(e.pieces, text, vector)
		reply.Vectors[i] = vector
	}
	return reply, nil
}

// giveBack keeps a notebook for the next call, unless one long text has swollen it.
func (e *Embedder) giveBack(n *notebook) {
	if cap(n.reader.decomposed) <= 1<<20 && cap(n.reader.found) <= 1<<18 {
		e.notebooks.Put(n)
	}
}

// notebook is what one computation writes on.
type notebook struct {
	reader reader
	counts []uint32 // of each piece; all zero between two texts
	once   []uint16 // the pieces that a text has once
	sums   [columns]int64
}

// embed writes the vector of a text.
func (n *notebook) embed(p *pieces, text string, vector []float32) {
	found := n.reader.read(p, text)
	for _, piece := range found {
		n.counts[piece]++
	}
	clear(n.sums[:])
	n.once = n.once[:0]
	for i, piece := range found {
		switch count := n.counts[piece]; {
		case count == 1:
			n.once = append(n.once, piece)
		case count > 1:
			addRows(&n.sums, found[i:i+1], weight(count), len(vector))
		}
		n.counts[piece] = 0
	}
	addRows(&n.sums, n.once, weight(1), len(vector))
	if !normalise(n.sums[:len(vector)], vector) {
		ownDirection(text, vector)
	}
}

// normalise writes the sums as a vector of length one. It reports false when they are all zero. Every
// product is rounded by its conversion, so that no platform fuses it with the sum.
func normalise(sums []int64, vector []float32) bool {
	var square float64
	for _, x := range sums {
		f := float64(x)
		square += float64(f * f)
	}
	if square == 0 {
		return false
	}
	scale := 1 / math.Sqrt(square)
	for i, x := range sums {
		vector[i] = float32(float64(x) * scale)
	}
	return true
}
