package openai

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
)

// Secret is a credential.
type Secret = rest.Secret

const (
	// maxDims bounds what a server may send per text while its dimension is not known.
	maxDims = 16384
	// numberBytes is the most that one number of a vector takes, with white space around it.
	numberBytes = 48
)

// Options names a model and where it is served.
type Options struct {
	// BaseURL is the address below which /embeddings lies, such as https://api.openai.com/v1. A query
	// in it is sent with every request. http is spoken only where it says so.
	BaseURL string

	// Model is the name that the server knows the model by.
	Model string

	// APIKey is sent as a bearer token; none when empty.
	APIKey Secret

	// Dims is the length of the model's vectors. It is expected, not sent: replies with another length
	// are malformed. When it is 0, a reply only has to agree with itself.
	Dims int

	// Timeout is how long one request may take until its reply is complete; 30 s when 0.
	Timeout time.Duration

	// Headers are sent with every request, beside or instead of the bearer token.
	Headers map[string]Secret
}

// Client asks one model.
type Client struct {
	options Options
	server  *rest.Client
	floats  atomic.Bool
}

var (
	_ accel.Embedder  = (*Client)(nil)
	_ accel.Generator = (*Client)(nil)
)

// New returns a client for the model of the options, or everything that is wrong with them. It sends
// nothing.
func New(o Options) (*Client, error) {
	server, err := rest.New(rest.Options{BaseURL: o.BaseURL, Key: o.APIKey, Headers: o.Headers, Timeout: o.Timeout})
	problems := []error{err}
	if o.Model == "" {
		problems = append(problems, errors.New("model is missing"))
	}
	if o.Dims < 0 || o.Dims > maxDims {
		problems = append(problems, fmt.Errorf("dims %d: want 1 to %d", o.Dims, maxDims))
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &Client{options: o, server: server}, nil
}

// Identity returns the model that the options name.
func (c *Client) Identity() accel.Identity {
	return accel.Identity{Provider: "openai", Model: c.options.Model, Dims: c.options.Dims}
}

// Close closes the idle connections.
func (c *Client) Close() { c.server.Close() }

// Embed asks for the vectors of the texts in one request; see [accel.Embedder]. Bytes of a text that
// are not UTF-8 reach the model as U+FFFD.
func (c *Client) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	plain := c.floats.Load()
	reply, err := c.ask(ctx, texts, plain)
	if e, ok := errors.AsType[*accel.Error](err); ok && !plain && isAboutFormat(e) {
		// The server knows no base64. It has refused the request as a whole, so asking again pays
		// nothing twice.
		c.floats.Store(true)
		reply, err = c.ask(ctx, texts, true)
	}
	return reply, err
}

func isAboutFormat(e *accel.Error) bool {
	return e.Kind == accel.Rejected && strings.Contains(e.Message, "encoding_format")
}

// question is a request for vectors.
type question struct {
	Model  string   `json:"model"`
	Input  []string `json:"input"`
	Format string   `json:"encoding_format"`
}

// ask sends one request and reads its reply.
func (c *Client) ask(ctx context.Context, texts []string, plain bool) (reply accel.Reply, err error) {
	q := question{Model: c.options.Model, Input: texts, Format: "base64"}
	if plain {
		q.Format = "float"
	}
	err = c.server.Post(ctx, "embeddings", q, c.bodyLimit(len(texts)), func(r rest.Reply) (err error) {
		reply, err = decode(r.Body, len(texts), c.options.Dims)
		reply.Announced = r.Announced
		return err
	})
	if err == nil && reply.Usage == (accel.Usage{}) {
		for _, text := range texts {
			reply.Usage.InputTokens += int64(accel.EstimateTokens(text))
		}
	}
	return reply, err
}

// bodyLimit is the most that a correct reply for n texts can take.
func (c *Client) bodyLimit(n int) int {
	dims := c.options.Dims
	if dims == 0 {
		dims = maxDims
	}
	return 64<<10 + n*(1<<10+numberBytes*dims)
}
