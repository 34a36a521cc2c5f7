// Package anthropic asks Anthropic's models for texts, through the Messages interface.
//
// A [Client] is a model at an address; it satisfies [accel.Generator]. A schema is passed on as the format
// of the output.
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
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
)

const (
	version = "2023-06-01"
	// room is the longest answer where a prompt does not say: the interface wants a bound.
	room      = 4096
	chatBytes = 4 << 20
)

// DefaultURL is where Anthropic itself answers.
const DefaultURL = "https://api.anthropic.com/v1"

// Options name a model.
type Options struct {
	BaseURL string        // the address below which /messages lies
	Model   string        // its name with the server
	APIKey  rest.Secret   // sent as x-api-key
	Timeout time.Duration // of one request; 30 s when 0
}

// Client asks one model.
type Client struct {
	options Options
	server  *rest.Client
}

var _ accel.Generator = (*Client)(nil)

// New returns a client, or everything that is wrong with the options. It sends nothing.
func New(o Options) (*Client, error) {
	server, err := rest.New(rest.Options{BaseURL: o.BaseURL, Key: o.APIKey, KeyHeader: "X-Api-Key", Timeout: o.Timeout,
		Headers: map[string]rest.Secret{"Anthropic-Version": version}})
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
	return accel.Identity{Provider: "anthropic", Model: c.options.Model}
}

// Close closes the idle connections.
func (c *Client) Close() { c.server.Close() }

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type format struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

type outputConfig struct {
	Format format `json:"format"`
}

type request struct {
	Model       string        `json:"model"`
	MaxTokens   int           `json:"max_tokens"`
	System      string        `json:"system,omitempty"`
	Messages    []message     `json:"messages"`
	Temperature *float64      `json:"temperature,omitempty"`
	Output      *outputConfig `json:"output_config,omitempty"`
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
func (c *Client) Generate(ctx context.Context, p accel.Prompt) (g accel.Generated, err error) {
	err = c.server.Post(ctx, "messages", c.request(p), chatBytes, func(r rest.Reply) error {
		var said reply
		if err := json.Unmarshal(r.Body, &said); err != nil {
			return errors.New("the reply is no message")
		}
		g = accel.Generated{Announced: r.Announced, Usage: accel.Usage{
			InputTokens: said.Usage.Input + said.Usage.Created + said.Usage.Read, OutputTokens: said.Usage.Output}}
		if said.Stop == "" {
			return errors.New("the reply does not say why it ended")
		}
		g.Model = said.Model
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
		return nil
	})
	if err == nil && g.Usage == (accel.Usage{}) {
		g.Usage = accel.Usage{InputTokens: int64(accel.EstimatePrompt(p)), OutputTokens: int64(accel.EstimateTokens(g.Text))}
	}
	return g, err
}

func (c *Client) request(p accel.Prompt) request {
	r := request{Model: c.options.Model, MaxTokens: p.MaxTokens, System: p.System, Temperature: p.Temperature}
	if r.MaxTokens == 0 {
		r.MaxTokens = room
	}
	for _, t := range p.Dialogue() {
		r.Messages = append(r.Messages, message{t.Role.String(), t.Text})
	}
	if p.Schema != nil {
		r.Output = &outputConfig{format{Type: "json_schema", Schema: p.Schema}}
	}
	return r
}
