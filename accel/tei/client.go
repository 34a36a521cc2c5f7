// Package tei asks Hugging Face's Text Embeddings Inference for vectors, through its own route.
//
// A [Client] is a server, which serves one model; it satisfies [accel.Embedder]. The server packs texts
// without padding, refuses what does not fit into its queue with 429 and no Retry-After, and a request with
// more texts than it was told to take with 413: batches are to be no larger than that.
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
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
)

const (
	maxDims     = 16384
	numberBytes = 32
)

// DefaultRows is how many texts a server takes in one request unless it is told otherwise.
const DefaultRows = 32

// Options name a server.
type Options struct {
	BaseURL string        // the address below which /embed lies, such as http://127.0.0.1:8080
	Model   string        // the model that it serves; a server says so nowhere in its replies
	APIKey  rest.Secret   // sent as a bearer token; none when empty
	Dims    int           // the length of the vectors; 0 when it is not known
	Timeout time.Duration // of one request; 30 s when 0
}

// Client asks one server.
type Client struct {
	options Options
	server  *rest.Client
}

var _ accel.Embedder = (*Client)(nil)

// New returns a client, or everything that is wrong with the options. It sends nothing.
func New(o Options) (*Client, error) {
	server, err := rest.New(rest.Options{BaseURL: o.BaseURL, Key: o.APIKey, Timeout: o.Timeout})
	problems := []error{err}
	if o.Model == "" {
		problems = append(problems, errors.New("model is missing"))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &Client{options: o, server: server}, nil
}

// Identity returns the model that the options name.
func (c *Client) Identity() accel.Identity {
	return accel.Identity{Provider: "tei", Model: c.options.Model, Dims: c.options.Dims}
}

// Close closes the idle connections.
func (c *Client) Close() { c.server.Close() }

type question struct {
	Inputs    []string `json:"inputs"`
	Normalize bool     `json:"normalize"`
	Truncate  bool     `json:"truncate"`
}

// Embed asks for the vectors of the texts, each of length one; see [accel.Embedder].
func (c *Client) Embed(ctx context.Context, texts []string) (reply accel.Reply, err error) {
	dims := c.options.Dims
	if dims == 0 {
		dims = maxDims
	}
	limit := 64<<10 + len(texts)*(1<<10+numberBytes*dims)
	err = c.server.Post(ctx, "embed", question{Inputs: texts, Normalize: true}, limit, func(r rest.Reply) error {
		var vectors [][]float32
		if err := json.Unmarshal(r.Body, &vectors); err != nil {
			return errors.New("the reply is no list of vectors")
		}
		if err := accel.CheckVectors(vectors, len(texts), c.options.Dims); err != nil {
			return err
		}
		reply = accel.Reply{Vectors: vectors, Announced: r.Announced}
		// The server does not say what a text cost it.
		for _, text := range texts {
			reply.Usage.InputTokens += int64(accel.EstimateTokens(text))
		}
		return nil
	})
	return reply, err
}
