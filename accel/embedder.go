package accel

import (
	"context"

	"github.com/freshet/freshet/backpressure"
)

// Embedder answers texts with vectors. Implementations are safe for concurrent use.
type Embedder interface {
	// Embed answers every text with one vector. It returns when the reply is complete or ctx ends. An
	// error is an [*Error], or that of ctx; a Reply beside an error holds no vectors, but the usage
	// that the model charged for a reply that could not be used.
	Embed(ctx context.Context, texts []string) (Reply, error)

	// Identity says which model answers. It does not change during the life of an Embedder.
	Identity() Identity
}

// Identity names a model as far as its vectors depend on it. It is what a fingerprint covers: two
// models of one identity give the same vector for the same text.
type Identity struct {
	Provider string // kind of server or library: "openai", "builtin"
	Model    string // the model's name with its provider
	Revision string // version of its weights or algorithm; empty when the provider names none
	Dims     int    // length of its vectors; 0 when not known yet
}

// Reply is a model's answer to the texts of one request.
type Reply struct {
	// Vectors holds one vector per text, in the order of the texts, each finite and as long as the
	// model's dimension. They may share one array and belong to the receiver.
	Vectors [][]float32

	// Model is the name that the server gave itself in this reply; empty when it gave none. A name
	// that differs from one reply to the next means another model behind the same address.
	Model string

	// Usage is what the model charged.
	Usage Usage

	// Announced are the limits that the server told of beside the reply.
	Announced []backpressure.Announcement
}

// Usage counts the tokens that a model charged for.
type Usage struct {
	InputTokens  int64
	OutputTokens int64
}

func (u *Usage) add(more Usage) {
	u.InputTokens += more.InputTokens
	u.OutputTokens += more.OutputTokens
}

// EstimateTokens returns an upper bound of the tokens of a text before a model has counted them: a
// third of its bytes, at least one. Real tokenizers need fewer on nearly all text.
func EstimateTokens(text string) int {
	return max(1, (len(text)+2)/3)
}
