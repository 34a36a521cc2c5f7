// Package ollama asks Ollama for vectors and texts, through its own routes.
//
// A [Client] is a model at a server; it satisfies [accel.Embedder] and [accel.Generator]. A schema is passed
// on as the format of the answer. A text that is too long is rejected, never cut.
//
// Of Freshet's packages it may import accel and accel/rest.
//
// # Invariants
//
//   - A reply is taken whole or not at all: one finite vector of the model's dimension for each text, or one
//     finished message.
//
// # Concurrency
//
// A Client is safe for concurrent use.
package ollama

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
)

// Client asks one model.
type Client struct{ *rest.Model }

var (
	_ accel.Embedder  = (*Client)(nil)
	_ accel.Generator = (*Client)(nil)
)

// New returns a client for a model below BaseURL/api, or everything that is wrong with the options. It sends nothing.
func New(o rest.ModelOptions) (*Client, error) {
	m, err := rest.NewModel(rest.Profile{Provider: "ollama"}, o)
	if err != nil {
		return nil, err
	}
	return &Client{m}, nil
}

type question struct {
	Model    string   `json:"model"`
	Input    []string `json:"input"`
	Truncate bool     `json:"truncate"`
}

// Embed asks for the vectors of the texts in one request; see [accel.Embedder].
func (c *Client) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	return c.Vectors(ctx, "api/embed", question{Model: c.Name(), Input: texts}, texts, func(body []byte) (accel.Reply, error) {
		var said struct {
			Model      string      `json:"model"`
			Embeddings [][]float32 `json:"embeddings"`
			Count      int64       `json:"prompt_eval_count"`
		}
		if err := json.Unmarshal(body, &said); err != nil {
			return accel.Reply{}, errors.New("the reply is no set of vectors")
		}
		return accel.Reply{Vectors: said.Embeddings, Model: said.Model, Usage: accel.Usage{InputTokens: said.Count}}, nil
	})
}

type chatRequest struct {
	Model    string          `json:"model"`
	Messages []rest.Message  `json:"messages"`
	Stream   bool            `json:"stream"`
	Format   json.RawMessage `json:"format,omitempty"`
	Options  chatOptions     `json:"options"`
}

type chatOptions struct {
	Temperature *float64 `json:"temperature,omitempty"`
	Room        int      `json:"num_predict,omitempty"`
}

// Generate answers a prompt; see [accel.Generator].
func (c *Client) Generate(ctx context.Context, p accel.Prompt) (accel.Generated, error) {
	asked := chatRequest{Model: c.Name(), Messages: rest.SystemMessages(p), Format: p.Schema, Options: chatOptions{p.Temperature, p.MaxTokens}}
	return c.Answer(ctx, "api/chat", asked, p, func(body []byte) (accel.Generated, error) {
		var said struct {
			Model   string        `json:"model"`
			Message *rest.Message `json:"message"`
			Done    bool          `json:"done"`
			Reason  string        `json:"done_reason"`
			Prompt  int64         `json:"prompt_eval_count"`
			Answer  int64         `json:"eval_count"`
		}
		if err := json.Unmarshal(body, &said); err != nil {
			return accel.Generated{}, errors.New("the reply is no chat message")
		}
		g := accel.Generated{Usage: accel.Usage{InputTokens: said.Prompt, OutputTokens: said.Answer}}
		if said.Message == nil || !said.Done {
			return g, errors.New("the reply has no finished message")
		}
		g.Text, g.Model = said.Message.Content, said.Model
		if said.Reason == "length" {
			g.Finish = accel.CutOff
		}
		return g, nil
	})
}
