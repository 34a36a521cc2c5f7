// Package anthropic asks Anthropic's models for texts, through the Messages interface.
//
// A [Client] is a model at an address; it satisfies [accel.Generator]. A schema is passed on as the format
// of the output.
//
// Of Freshet's packages it may import accel and accel/rest.
//
// # Invariants
//
//   - A reply is taken whole or not at all.
//   - What was read from a cache counts as sent: a budget that counts it holds.
//
// # Concurrency
//
// A Client is safe for concurrent use.
package anthropic

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
)

const (
	version = "2023-06-01"
	// room is the longest answer where a prompt does not say: the interface wants a bound.
	room = 4096
)

// DefaultURL is where Anthropic itself answers.
const DefaultURL = "https://api.anthropic.com/v1"

// Client asks one model.
type Client struct{ *rest.Model }

var _ accel.Generator = (*Client)(nil)

// New returns a client for a model below BaseURL/messages, or everything that is wrong with the options. It sends
// nothing.
func New(o rest.ModelOptions) (*Client, error) {
	m, err := rest.NewModel(rest.Profile{Provider: "anthropic", KeyHeader: "X-Api-Key", Headers: map[string]rest.Secret{"Anthropic-Version": version}}, o)
	if err != nil {
		return nil, err
	}
	return &Client{m}, nil
}

type format struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

type outputConfig struct {
	Format format `json:"format"`
}

type request struct {
	Model       string         `json:"model"`
	MaxTokens   int            `json:"max_tokens"`
	System      string         `json:"system,omitempty"`
	Messages    []rest.Message `json:"messages"`
	Temperature *float64       `json:"temperature,omitempty"`
	Output      *outputConfig  `json:"output_config,omitempty"`
}

type reply struct {
	Model   string `json:"model"`
	Content []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"content"`
	Stop  string `json:"stop_reason"`
	Usage struct {
		Input   int64 `json:"input_tokens"`
		Created int64 `json:"cache_creation_input_tokens"`
		Read    int64 `json:"cache_read_input_tokens"`
		Output  int64 `json:"output_tokens"`
	} `json:"usage"`
}

// Generate answers a prompt; see [accel.Generator].
func (c *Client) Generate(ctx context.Context, p accel.Prompt) (accel.Generated, error) {
	return c.Answer(ctx, "messages", c.request(p), p, func(body []byte) (accel.Generated, error) {
		var said reply
		if err := json.Unmarshal(body, &said); err != nil {
			return accel.Generated{}, errors.New("the reply is no message")
		}
		g := accel.Generated{Model: said.Model, Usage: accel.Usage{
			InputTokens: said.Usage.Input + said.Usage.Created + said.Usage.Read, OutputTokens: said.Usage.Output}}
		if said.Stop == "" {
			return g, errors.New("the reply does not say why it ended")
		}
		for _, part := range said.Content {
			if part.Type == "text" {
				g.Text += part.Text
			}
		}
		switch said.Stop {
		case "max_tokens", "model_context_window_exceeded":
			g.Finish = accel.CutOff
		case "refusal":
			g.Finish, g.Refusal = accel.Declined, g.Text
		}
		return g, nil
	})
}

func (c *Client) request(p accel.Prompt) request {
	r := request{Model: c.Name(), MaxTokens: p.MaxTokens, System: p.System, Messages: rest.Messages(p), Temperature: p.Temperature}
	if r.MaxTokens == 0 {
		r.MaxTokens = room
	}
	if p.Schema != nil {
		r.Output = &outputConfig{format{Type: "json_schema", Schema: p.Schema}}
	}
	return r
}
