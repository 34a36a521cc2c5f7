package accel

import (
	"context"

	"github.com/freshet/freshet/backpressure"
)

// Answerer answers the calls of one request. [Embeddings] and [Generation] make one of a model. It is safe
// for concurrent use.
type Answerer interface {
	// Answer answers every call. It returns when the reply is complete or ctx ends. An error is an [*Error],
	// or that of ctx, and is about the request as a whole; what is wrong with a single call is in its
	// [Answer]. Answers beside an error hold the usage that the model charged and, of a model that answers
	// call by call, what it had answered by then: one Answer for each call, the zero Answer for the rest.
	Answer(ctx context.Context, asked []Asked) (Answers, error)

	// Cost is an upper bound of what a call takes of the model's rates and of the budget.
	Cost(asked Asked) backpressure.Cost

	// Identity says which model answers. It does not change during the life of an Answerer.
	Identity() Identity
}

// Asked is a call as it is sent.
type Asked struct {
	Text string
	Turn Turn
}

// Turn is what earlier answers to the same call have come to. The zero Turn is that of the first request.
type Turn struct {
	Repairs int    // times that the model was told what was wrong
	Widen   int    // times that the room for the answer was doubled
	Reply   string // the last answer
	Reason  string // what was wrong with it, to be told to the model; empty: it was cut off
}

// Answers are a model's word on the calls of one request.
type Answers struct {
	Each      []Answer // one for each call, in order
	Model     string   // the name that the server gave itself; empty when it gave none
	Usage     Usage
	Announced []backpressure.Announcement // limits that the server told of
}

// Answer is that to one call: a vector, a text (empty, but not nil), a rejection, another turn, or none yet.
type Answer struct {
	Vector []float32
	Text   []byte
	Err    *Error // the model, or whoever reads its answer, will not take this call
	Again  *Turn  // the answer is no use yet: the call is asked once more, with this turn
	Later  bool   // the call does not go with the others of its request, and was not sent: it goes in another one
}

// given reports whether it is an answer at all.
func (a *Answer) given() bool {
	return a.Vector != nil || a.Text != nil || a.Err != nil || a.Again != nil
}

// Embeddings makes an Answerer of an embedding model.
func Embeddings(e Embedder) Answerer { return embeddings{e} }

type embeddings struct{ Embedder }

// Answer implements [Answerer].
func (e embeddings) Answer(ctx context.Context, asked []Asked) (Answers, error) {
	texts := make([]string, len(asked))
	for i := range asked {
		texts[i] = asked[i].Text
	}
	reply, err := e.Embed(ctx, texts)
	answers := Answers{Model: reply.Model, Usage: reply.Usage, Announced: reply.Announced}
	if err != nil {
		return answers, err
	}
	answers.Each = make([]Answer, len(reply.Vectors))
	for i, v := range reply.Vectors {
		answers.Each[i].Vector = v
	}
	return answers, nil
}

// Cost implements [Answerer].
func (e embeddings) Cost(asked Asked) backpressure.Cost {
	return backpressure.Cost{Rows: 1, Input: int64(EstimateInput(asked.Text))}
}
