// Package tei asks Hugging Face's Text Embeddings Inference for vectors, through its own route.
//
// A [Client] is a server, which serves one model; it satisfies [accel.Embedder]. The server packs texts
// without padding, refuses what does not fit into its queue with 429 and no Retry-After, and a request with
// more texts than it was told to take with 413: batches are to be no larger than that.
//
// Of Freshet's packages it may import accel and accel/rest.
//
// # Invariants
//
//   - A reply is taken whole or not at all: one finite vector of the model's dimension for each text.
//   - A text that is too long is rejected, never cut.
//
// # Concurrency
//
// A Client is safe for concurrent use.
package tei

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
)

// Client asks one server.
type Client struct{ *rest.Model }

var _ accel.Embedder = (*Client)(nil)

// New returns a client for the server at BaseURL, or everything that is wrong with the options. It sends nothing. The
// model is named for the sake of what is remembered: a server says it nowhere in its replies.
func New(o rest.ModelOptions) (*Client, error) {
	m, err := rest.NewModel(rest.Profile{Provider: "tei"}, o)
	if err != nil {
		return nil, err
	}
	return &Client{m}, nil
}

type question struct {
	Inputs    []string `json:"inputs"`
	Normalize bool     `json:"normalize"`
	Truncate  bool     `json:"truncate"`
}

// Embed asks for the vectors of the texts, each of length one; see [accel.Embedder]. The server does not say what a
// text cost it.
func (c *Client) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	return c.Vectors(ctx, "embed", question{Inputs: texts, Normalize: true}, texts, func(body []byte) (reply accel.Reply, err error) {
		if json.Unmarshal(body, &reply.Vectors) != nil {
			err = errors.New("the reply is no list of vectors")
		}
		return reply, err
	})
}
