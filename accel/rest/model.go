package rest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet/freshet/accel"
)

const (
	// maxDims bounds what a server may send per text while the dimension of its model is not known.
	maxDims = 16384
	// numberBytes is the most that one number of a vector takes, with white space around it.
	numberBytes = 48
	// replyBytes is the most that an answer may take for each token of room, and replyLeast the least bound.
	replyBytes = 16
	replyLeast = 4 << 20
)

// Profile is what tells one kind of model servers from the others, besides its routes.
type Profile struct {
	Provider  string            // the kind, as identities name it
	KeyHeader string            // the header that carries the key; Authorization, as a bearer token, when empty
	Headers   map[string]Secret // sent with every request
}

// ModelOptions name a model and where it is served.
type ModelOptions struct {
	// BaseURL is the address below which the routes of the interface lie, such as https://api.openai.com/v1. A query
	// in it is sent with every request. http is spoken only where it says so.
	BaseURL string

	// Model is the name that the server knows the model by.
	Model string

	// APIKey is sent as the kind of server wants it, most often as a bearer token; none when empty.
	APIKey Secret

	// Dims is the length of the model's vectors. It is expected, not sent: replies with another length
	// are malformed. When it is 0, a reply only has to agree with itself.
	Dims int

	// Timeout is how long one request may take until its reply is complete; 30 s when 0.
	Timeout time.Duration

	// Headers are sent with every request, beside or instead of the key.
	Headers map[string]Secret
}

// Model is one model at one server: what the clients of all kinds of servers have in common. It is safe for
// concurrent use.
type Model struct {
	*client
	options  ModelOptions
	provider string
}

// NewModel returns a model, or everything that is wrong with its options. It sends nothing.
func NewModel(p Profile, o ModelOptions) (*Model, error) {
	headers := map[string]Secret{}
	for _, more := range []map[string]Secret{p.Headers, o.Headers} {
		for name, value := range more {
			headers[name] = value
		}
	}
	c, err := newClient(clientOptions{BaseURL: o.BaseURL, Key: o.APIKey, KeyHeader: p.KeyHeader, Headers: headers, Timeout: o.Timeout})
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
	return &Model{client: c, options: o, provider: p.Provider}, nil
}

// Identity is that of the model that the options name.
func (m *Model) Identity() accel.Identity {
	return accel.Identity{Provider: m.provider, Model: m.options.Model, Dims: m.options.Dims}
}

// Name is what the server knows the model by.
func (m *Model) Name() string { return m.options.Model }

// Vectors asks for the vectors of inputs. read takes them out of a reply; what it returns is checked, and usage that the
// server does not tell is estimated.
func (m *Model) Vectors(ctx context.Context, path string, request any, inputs []string, read func(body []byte) (accel.Reply, error)) (reply accel.Reply, err error) {
	dims := m.options.Dims
	if dims == 0 || len(inputs) == 1 { // one vector of another length than is wanted is read to the end, so that its length can be told
		dims = maxDims
	}
	limit := 64<<10 + len(inputs)*(1<<10+numberBytes*dims)
	err = m.Post(ctx, path, request, limit, func(r Reply) error {
		got, err := read(r.Body)
		if err == nil {
			err = accel.CheckVectors(got.Vectors, len(inputs), m.options.Dims)
		}
		if err != nil {
			got.Vectors = nil
		}
		reply, reply.Announced = got, r.Announced
		return err
	})
	if err == nil && reply.Usage == (accel.Usage{}) {
		for _, input := range inputs {
			reply.Usage.InputTokens += int64(accel.EstimateInput(input))
		}
	}
	return reply, err
}

// Answer asks for the answer to a prompt. read takes it out of a reply; usage that the server does not tell is estimated.
func (m *Model) Answer(ctx context.Context, path string, request any, p accel.Prompt, read func(body []byte) (accel.Generated, error)) (g accel.Generated, err error) {
	err = m.Post(ctx, path, request, max(replyLeast, replyBytes*p.MaxTokens), func(r Reply) (err error) {
		g, err = read(r.Body)
		g.Announced = r.Announced
		return err
	})
	if err == nil && g.Usage == (accel.Usage{}) {
		g.Usage = accel.Usage{InputTokens: int64(accel.EstimatePrompt(p)), OutputTokens: int64(accel.EstimateTokens(g.Text + g.Refusal))}
	}
	return g, err
}

// scoreBytes is the most that a score takes with its place.
const scoreBytes = 256

// Scores asks how well texts answer a query. read puts the scores, which it finds in a reply with the places of their
// texts, where they belong; usage that the server does not tell is estimated.
func (m *Model) Scores(ctx context.Context, path string, request any, query string, texts []string, read func(body []byte, put func(place int, score float64)) (accel.Ranked, error)) (ranked accel.Ranked, err error) {
	err = m.Post(ctx, path, request, replyLeast+scoreBytes*len(texts), func(r Reply) error {
		scores, seen := make([]float64, len(texts)), make([]bool, len(texts))
		count := 0
		got, err := read(r.Body, func(place int, score float64) {
			if 0 <= place && place < len(texts) && !seen[place] {
				scores[place], seen[place] = score, true
				count++
			}
		})
		got.Scores, got.Announced = nil, r.Announced
		ranked = got
		if err == nil && count != len(texts) {
			err = malformed("the reply has scores of %d texts, not of %d", count, len(texts))
		}
		if err == nil {
			ranked.Scores = scores
		}
		return err
	})
	if err == nil && ranked.Usage == (accel.Usage{}) {
		for _, text := range texts {
			ranked.Usage.InputTokens += int64(accel.EstimateTokens(query + text))
		}
	}
	return ranked, err
}

// Message is a part of a dialogue as chat interfaces write it.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Messages are the dialogue of a prompt, the question last; what the model is to do is not among them.
func Messages(p accel.Prompt) []Message {
	var all []Message
	for _, t := range p.Dialogue() {
		all = append(all, Message{t.Role.String(), t.Text})
	}
	return all
}

// SystemMessages are what the model is to do, where the prompt says it, and the dialogue.
func SystemMessages(p accel.Prompt) []Message {
	if p.System == "" {
		return Messages(p)
	}
	return append([]Message{{"system", p.System}}, Messages(p)...)
}
