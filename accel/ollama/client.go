// Package ollama asks Ollama for vectors and texts, through its own routes.
//
// A [Client] is a model at a server; it satisfies [accel.Embedder] and [accel.Generator]. A schema is passed
// on as the format of the answer. A text that is too long is rejected, never cut.
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
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
)

const (
	maxDims     = 16384
	numberBytes = 32
	chatBytes   = 4 << 20
)

// Options name a model.
type Options struct {
	BaseURL string        // the address below which /api lies, such as http://127.0.0.1:11434
	Model   string        // its name with the server, such as nomic-embed-text
	APIKey  rest.Secret   // sent as a bearer token; none when empty
	Dims    int           // the length of its vectors; 0 when it is not known
	Timeout time.Duration // of one request; 30 s when 0
}

// Client asks one model.
type Client struct {
	options Options
	server  *rest.Client
}

var (
	_ accel.Embedder  = (*Client)(nil)
	_ accel.Generator = (*Client)(nil)
)

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
	return accel.Identity{Provider: "ollama", Model: c.options.Model, Dims: c.options.Dims}
}

// Close closes the idle connections.
func (c *Client) Close() { c.server.Close() }

type question struct {
	Model    string   `json:"model"`
	Input    []string `json:"input"`
	Truncate bool     `json:"truncate"`
}

// Embed asks for the vectors of the texts in one request; see [accel.Embedder].
func (c *Client) Embed(ctx context.Context, texts []string) (reply accel.Reply, err error) {
	dims := c.options.Dims
	if dims == 0 {
		dims = maxDims
	}
	limit := 64<<10 + len(texts)*(1<<10+numberBytes*dims)
	err = c.server.Post(ctx, "api/embed", question{Model: c.options.Model, Input: texts}, limit, func(r rest.Reply) error {
		var said struct {
			Model      string      `json:"model"`
			Embeddings [][]float32 `json:"embeddings"`
			Count      int64       `json:"prompt_eval_count"`
		}
		if err := json.Unmarshal(r.Body, &said); err != nil {
			return errors.New("the reply is no set of vectors")
		}
		reply = accel.Reply{Usage: accel.Usage{InputTokens: said.Count}, Announced: r.Announced}
		if err := accel.CheckVectors(said.Embeddings, len(texts), c.options.Dims); err != nil {
			return err
		}
		reply.Vectors, reply.Model = said.Embeddings, said.Model
		return nil
	})
	if err == nil && reply.Usage == (accel.Usage{}) {
		for _, text := range texts {
			reply.Usage.InputTokens += int64(accel.EstimateTokens(text))
		}
	}
	return reply, err
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type chatRequest struct {
	Model    string          `json:"model"`
	Messages []message       `json:"messages"`
	Stream   bool            `json:"stream"`
	Format   json.RawMessage `json:"format,omitempty"`
	Options  chatOptions     `json:"options"`
}

type chatOptions struct {
	Temperature *float64 `json:"temperature,omitempty"`
	Room        int      `json:"num_predict,omitempty"`
}

// Generate answers a prompt; see [accel.Generator].
func (c *Client) Generate(ctx context.Context, p accel.Prompt) (g accel.Generated, err error) {
	err = c.server.Post(ctx, "api/chat", c.chat(p), chatBytes, func(r rest.Reply) error {
		var said struct {
			Model   string   `json:"model"`
			Message *message `json:"message"`
			Done    bool     `json:"done"`
			Reason  string   `json:"done_reason"`
			Prompt  int64    `json:"prompt_eval_count"`
			Answer  int64    `json:"eval_count"`
		}
		if err := json.Unmarshal(r.Body, &said); err != nil {
			return errors.New("the reply is no chat message")
		}
		g = accel.Generated{Usage: accel.Usage{InputTokens: said.Prompt, OutputTokens: said.Answer}, Announced: r.Announced}
		if said.Message == nil || !said.Done {
			return errors.New("the reply has no finished message")
		}
		g.Text, g.Model = said.Message.Content, said.Model
		if said.Reason == "length" {
			g.Finish = accel.CutOff
		}
		return nil
	})
	if err == nil && g.Usage == (accel.Usage{}) {
		g.Usage = accel.Usage{InputTokens: int64(accel.EstimatePrompt(p)), OutputTokens: int64(accel.EstimateTokens(g.Text))}
	}
	return g, err
}

func (c *Client) chat(p accel.Prompt) chatRequest {
	r := chatRequest{Model: c.options.Model, Format: p.Schema, Options: chatOptions{p.Temperature, p.MaxTokens}}
	if p.System != "" {
		r.Messages = append(r.Messages, message{"system", p.System})
	}
	for _, t := range p.Dialogue() {
		r.Messages = append(r.Messages, message{t.Role.String(), t.Text})
	}
	return r
}
