package operators

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Inline makes an embedder that computes in this process a model that the engine asks within an epoch.
// It is safe for concurrent use.
type Inline struct {
	name     string
	embedder accel.Embedder
}

var _ stream.InlineModel = (*Inline)(nil)

// NewInline names an embedder, which must neither wait nor fail.
func NewInline(name string, e accel.Embedder) *Inline { return &Inline{name, e} }

// Name implements stream.Model.
func (m *Inline) Name() string { return m.name }

// Identity implements stream.Model.
func (m *Inline) Identity() []byte { return identity(m.embedder.Identity()) }

// Dims is the length of the vectors.
func (m *Inline) Dims() int { return m.embedder.Identity().Dims }

// Answer implements stream.InlineModel; the results are vectors as rows hold them and share one array.
func (m *Inline) Answer(inputs [][]byte) ([][]byte, error) {
	texts := make([]string, len(inputs))
	for i, in := range inputs {
		texts[i] = cdc.Value{Raw: in}.TextView()
	}
	// There is nothing to wait for and so nothing to end early.
	reply, err := m.embedder.Embed(context.Background(), texts)
	if err != nil {
		return nil, fmt.Errorf("embed %d texts: %w", len(texts), err)
	}
	if len(reply.Vectors) != len(texts) {
		return nil, fmt.Errorf("embed %d texts: %d vectors came back", len(texts), len(reply.Vectors))
	}
	var flat []byte
	results := make([][]byte, len(texts))
	for i, v := range reply.Vectors {
		from := len(flat)
		flat = cdc.AppendVector(flat, v)
		results[i] = flat[from:len(flat):len(flat)]
	}
	return results, nil
}
