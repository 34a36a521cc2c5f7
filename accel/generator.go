package accel

import (
	"context"
	"encoding/json"

	"github.com/freshet/freshet/backpressure"
)

// Generator answers prompts with texts. Implementations are safe for concurrent use.
type Generator interface {
	// Generate answers one prompt. It returns when the reply is complete or ctx ends. An error is an
	// [*Error], or that of ctx; a Generated beside an error holds no text, but the usage that was charged.
	Generate(ctx context.Context, p Prompt) (Generated, error)

	// Identity says which model answers. It does not change during the life of a Generator.
	Identity() Identity
}

// Prompt is what a model is asked to answer.
type Prompt struct {
	// System says what the model is to do; empty when the text says it all.
	System string

	// Examples are earlier questions with the answers that were wanted.
	Examples []Example

	// Text is the question. It is the last thing that the model reads, unless Reply is set.
	Text string

	// Reply is an earlier answer to this very question that was no use, and Complaint what was wrong with
	// it; both empty at first.
	Reply, Complaint string

	// Schema is the JSON schema that the answer has to fit, and Name what it is called. Nil asks for text.
	Schema json.RawMessage
	Name   string

	// Temperature is left to the server when it is nil.
	Temperature *float64

	// MaxTokens is the room for the answer; 0 leaves it to the server.
	MaxTokens int
}

// Example is a question and the answer to it.
type Example struct {
	Question, Answer string
}

// Generated is a model's answer to a prompt.
type Generated struct {
	Text    string
	Refusal string // the model's words when it declines to answer
	Finish  Finish

	// Model is the name that the server gave itself in this reply; empty when it gave none.
	Model string

	Usage     Usage
	Announced []backpressure.Announcement
}

// Finish says why a model stopped.
type Finish uint8

// A model stops at the end of its answer, at the end of the room for it, or because it will not answer.
const (
	Finished Finish = iota
	CutOff
	Declined
)

// EstimatePrompt returns an upper bound of the tokens of a prompt before a model has counted them.
func EstimatePrompt(p Prompt) int {
	bytes := len(p.System) + len(p.Text) + len(p.Reply) + len(p.Complaint) + len(p.Schema)
	for _, e := range p.Examples {
		bytes += len(e.Question) + len(e.Answer)
	}
	if p.Complaint != "" {
		bytes += len(p.Text)
	}
	return max(1, (bytes+2)/3)
}

// Role is who says a part of a dialogue.
type Role uint8

// The user asks, the assistant answers.
const (
	User Role = iota
	Assistant
)

// String returns the role as servers name it.
func (r Role) String() string {
	if r == Assistant {
		return "assistant"
	}
	return "user"
}

// Utterance is a part of a dialogue.
type Utterance struct {
	Role Role
	Text string
}

// Dialogue is the prompt as what was said so far: examples, the question, an answer that was no use and what
// was wrong with it. The last part is the user's, and holds the question.
func (p *Prompt) Dialogue() []Utterance {
	var said []Utterance
	for _, e := range p.Examples {
		said = append(said, Utterance{User, e.Question}, Utterance{Assistant, e.Answer})
	}
	if p.Complaint == "" {
		return append(said, Utterance{User, p.Text})
	}
	return append(said, Utterance{User, p.Text}, Utterance{Assistant, p.Reply}, Utterance{User, p.Complaint + "\n\n" + p.Text})
}
