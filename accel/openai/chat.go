package openai

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/accel/rest"
)

type jsonSchema struct {
	Name   string          `json:"name"`
	Strict bool            `json:"strict"`
	Schema json.RawMessage `json:"schema"`
}

type responseFormat struct {
	Type   string     `json:"type"`
	Schema jsonSchema `json:"json_schema"`
}

type chatRequest struct {
	Model       string          `json:"model"`
	Messages    []rest.Message  `json:"messages"`
	Format      *responseFormat `json:"response_format,omitempty"`
	Temperature *float64        `json:"temperature,omitempty"`
	MaxTokens   int             `json:"max_completion_tokens,omitempty"`
}

type chatReply struct {
	Model   string `json:"model"`
	Choices []struct {
		Finish  string `json:"finish_reason"`
		Message *struct {
			Content *string `json:"content"`
			Refusal *string `json:"refusal"`
		} `json:"message"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
	} `json:"usage"`
}

// Generate answers a prompt through chat/completions; see [accel.Generator]. The schema is strict: a server
// that keeps to it answers nothing else.
func (c *Client) Generate(ctx context.Context, p accel.Prompt) (accel.Generated, error) {
	return c.Answer(ctx, "chat/completions", c.chat(p), p, func(body []byte) (accel.Generated, error) {
		var reply chatReply
		if err := json.Unmarshal(body, &reply); err != nil {
			return accel.Generated{}, errors.New("the reply is no chat completion")
		}
		g := accel.Generated{Model: reply.Model}
		if reply.Usage != nil {
			g.Usage = accel.Usage{InputTokens: reply.Usage.Prompt, OutputTokens: reply.Usage.Completion}
		}
		err := reply.read(&g)
		return g, err
	})
}

// read takes the one choice of a reply.
func (r *chatReply) read(g *accel.Generated) error {
	if len(r.Choices) == 0 || r.Choices[0].Message == nil {
		return errors.New("the reply has no choice with a message")
	}
	choice := r.Choices[0]
	if choice.Message.Content != nil {
		g.Text = *choice.Message.Content
	}
	if choice.Message.Refusal != nil {
		g.Refusal = *choice.Message.Refusal
	}
	switch {
	case choice.Finish == "content_filter":
		g.Finish = accel.Declined
		if g.Refusal == "" {
			g.Refusal = "the answer was filtered"
		}
	case g.Refusal != "":
		g.Finish = accel.Declined
	case choice.Finish == "length":
		g.Finish = accel.CutOff
	}
	return nil
}

// chat writes a prompt as messages, the question last.
func (c *Client) chat(p accel.Prompt) chatRequest {
	r := chatRequest{Model: c.Name(), Messages: rest.SystemMessages(p), Temperature: p.Temperature, MaxTokens: p.MaxTokens}
	if p.Schema != nil {
		r.Format = &responseFormat{Type: "json_schema", Schema: jsonSchema{Name: p.Name, Strict: true, Schema: p.Schema}}
	}
	return r
}
