package openai

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
)

// Client asks one model.
type Client struct {
	*rest.Model
	dims   int
	floats atomic.Bool // the server knows no base64
}

var (
	_ accel.Embedder  = (*Client)(nil)
	_ accel.Generator = (*Client)(nil)
)

// New returns a client for a model below BaseURL/embeddings and BaseURL/chat/completions, or everything that is wrong with
// the options. It sends nothing.
func New(o rest.ModelOptions) (*Client, error) {
	m, err := rest.NewModel(rest.Profile{Provider: "openai"}, o)
	if err != nil {
		return nil, err
	}
	return &Client{Model: m, dims: o.Dims}, nil
}

// TakesImages reports that inputs may be images; whether the model knows what to do with them is seen when it is asked.
func (c *Client) TakesImages() bool { return true }

// Embed asks for the vectors of the texts in one request; see [accel.Embedder]. Bytes of a text that
// are not UTF-8 reach the model as U+FFFD. Inputs may be images; see [accel.AppendImage].
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
	Model  string `json:"model"`
	Input  any    `json:"input"`
	Format string `json:"encoding_format"`
}

// inputs are the texts as they are. Where images are among them each of these is an object, as Jina's interface has it.
func inputs(texts []string) any {
	mixed, images := make([]any, len(texts)), false
	for i, text := range texts {
		image, ok := accel.ImageIn(text)
		if mixed[i] = any(text); ok {
			mixed[i], images = imageInput{[]byte(image)}, true
		}
	}
	if images {
		return mixed
	}
	return texts
}

// imageInput is an image in base64.
type imageInput struct {
	Image []byte `json:"image"`
}

// ask sends one request and reads its reply.
func (c *Client) ask(ctx context.Context, texts []string, plain bool) (accel.Reply, error) {
	q := question{Model: c.Name(), Input: inputs(texts), Format: "base64"}
	if plain {
		q.Format = "float"
	}
	return c.Vectors(ctx, "embeddings", q, texts, func(body []byte) (accel.Reply, error) { return decode(body, len(texts), c.dims) })
}
