// Package builtin is an embedding model that needs nothing: no server, no weights, no download. It
// hashes the words of a text, its pairs of neighbouring words and the letter triples inside its words
// into a vector, so that texts which share words and word parts point the same way. It knows no
// meaning: synonyms are strangers to it. It is good enough for demos, tests and finding names; use a
// trained model for more.
//
// # Invariants
//
//   - A text has one vector, the same on every platform and in every process: sums are integers, and
//     the one step in floating point has a fixed order and nothing that a compiler may fuse.
//   - A vector is finite and of length one.
//   - Case, canonical composition and the diacritics of Latin, Greek and Cyrillic make no difference.
//   - Whatever changes a vector changes [Revision], and with it every fingerprint. The tables of
//     Unicode are those of Go: characters that a newer Unicode adds may move then.
//
// An [Embedder] is safe for concurrent use and starts no goroutines.
package builtin

import (
	"context"
	"fmt"
	"math"
	"sync"

	"golang.org/x/text/unicode/norm"

	"github.com/freshet/freshet/accel"
)

const (
	// Revision is the version of the algorithm, as [Embedder.Identity] reports it.
	Revision = "1"
	// Model is the name of the model. It says what to expect.
	Model = "demo-ngrams"
	// DefaultDims is the length of the vectors unless told otherwise.
	DefaultDims = 256

	minDims, maxDims = 16, 4096
)

// Embedder is the built-in model.
type Embedder struct {
	dims      int
	notebooks sync.Pool // *notebook
}

var _ accel.Embedder = (*Embedder)(nil)

// New returns a model with vectors of dims numbers, from 16 to 4096, or [DefaultDims] when it is 0.
func New(dims int) (*Embedder, error) {
	if dims == 0 {
		dims = DefaultDims
	}
	if dims < minDims || dims > maxDims {
		return nil, fmt.Errorf("dims %d: want %d to %d", dims, minDims, maxDims)
	}
	e := &Embedder{dims: dims}
	e.notebooks.New = func() any { return newNotebook(dims) }
	return e, nil
}

// Identity returns provider "builtin", the model and its revision.
func (e *Embedder) Identity() accel.Identity {
	return accel.Identity{Provider: "builtin", Model: Model, Revision: Revision, Dims: e.dims}
}

// Embed returns the vectors of the texts; they share one array. It computes in the calling goroutine,
// uses nothing that is charged for, and fails only when ctx ends.
func (e *Embedder) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	n := e.notebooks.Get().(*notebook)
	defer e.giveBack(n)
	reply := accel.Reply{Model: Model, Vectors: make([][]float32, len(texts))}
	flat := make([]float32, len(texts)*e.dims)
	for i, text := range texts {
		if err := ctx.Err(); err != nil {
			return accel.Reply{}, err
		}
		vector := flat[i*e.dims : (i+1)*e.dims : (i+1)*e.dims]
		n.embed(text, vector)
		reply.Vectors[i] = vector
	}
	return reply, nil
}

// giveBack keeps a notebook for the next call, unless one long text has swollen it.
func (e *Embedder) giveBack(n *notebook) {
	if len(n.counts.slots) <= 1<<16 && cap(n.folded) <= 1<<20 && cap(n.word) <= 1<<16 {
		e.notebooks.Put(n)
	}
}

// notebook is what one computation writes on.
type notebook struct {
	counts features
	folded []byte
	forms  norm.Iter
	word   []rune // the letters of the word that is being read
	sums   []int64
}

func newNotebook(dims int) *notebook {
	return &notebook{sums: make([]int64, dims)}
}

// embed writes the vector of a text.
func (n *notebook) embed(text string, vector []float32) {
	n.counts.reset()
	n.read(text)
	clear(n.sums)
	n.counts.sumInto(n.sums)
	if !normalise(n.sums, vector) {
		// No words, or features that cancel out: any direction is as good, as long as it is the
		// text's own.
		d, sign := place(hashText(text), len(vector))
		clear(vector)
		vector[d] = float32(sign)
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
	length := math.Sqrt(square)
	for i, x := range sums {
		vector[i] = float32(float64(x) / length)
	}
	return true
}
