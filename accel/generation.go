package accel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/freshet/freshet/backpressure"
)

const (
	// repairs is how often a model is told what is wrong with its answer and asked again.
	repairs = 2
	// DefaultRoom is the room for an answer, in tokens, where a task does not say.
	DefaultRoom = 2048
)

// Task is what the prompts of a step have in common, and how their answers are read.
type Task struct {
	System      string
	Examples    []Example
	Schema      json.RawMessage // of the answer; nil asks for text
	Name        string          // of the schema
	Temperature *float64        // nil: the server's
	Room        int             // most tokens of an answer; DefaultRoom

	// Read makes a result of an answer, or says what is wrong with it, to be told to the model.
	Read func(answer string) (result []byte, complaint string)
}

// Generation makes an Answerer of a generator. find gives the task of a call and the prompt in its text; it
// is a function of the text alone.
//
// An answer that is no use is asked for again, by a ladder: one that was cut off once, with twice the room;
// one that cannot be read twice at most, with what was wrong; one that the model declines not at all. What
// still is no use is rejected, with the model's own words in [Error.Reply].
func Generation(g Generator, find func(text string) (Task, string, error)) Answerer {
	return generation{g, find}
}

type generation struct {
	Generator
	find func(text string) (Task, string, error)
}

// prompt is a call as it is sent.
func (g generation) prompt(asked Asked) (Task, Prompt, error) {
	task, text, err := g.find(asked.Text)
	if err != nil {
		return task, Prompt{}, err
	}
	if task.Room == 0 {
		task.Room = DefaultRoom
	}
	p := Prompt{System: task.System, Examples: task.Examples, Text: text, Schema: task.Schema, Name: task.Name,
		Temperature: task.Temperature, MaxTokens: task.Room << asked.Turn.Widen}
	if asked.Turn.Reason != "" {
		p.Reply, p.Complaint = asked.Turn.Reply, asked.Turn.Reason
	}
	return task, p, nil
}

// Cost implements [Answerer].
func (g generation) Cost(asked Asked) backpressure.Cost {
	_, p, err := g.prompt(asked)
	if err != nil {
		return backpressure.Cost{Rows: 1}
	}
	return backpressure.Cost{Rows: 1, Input: int64(EstimatePrompt(p)), Output: int64(p.MaxTokens)}
}

// Answer implements [Answerer]. There is one prompt in a request: a batcher over a generator has Rows 1.
func (g generation) Answer(ctx context.Context, asked []Asked) (Answers, error) {
	var all Answers
	if len(asked) != 1 {
		return all, errors.New("ask a generator: one prompt goes in a request")
	}
	task, p, err := g.prompt(asked[0])
	if err != nil {
		return all, err
	}
	said, err := g.Generate(ctx, p)
	all = Answers{Model: said.Model, Usage: said.Usage, Announced: said.Announced}
	if err != nil {
		return all, err
	}
	all.Each = []Answer{task.judge(asked[0].Turn, said)}
	return all, nil
}

// judge puts an answer on its step of the ladder.
func (t *Task) judge(turn Turn, said Generated) Answer {
	next := turn
	next.Reply = said.Text
	switch {
	case said.Finish == Declined:
		return Answer{Err: &Error{Kind: Refused, Message: "the model declines: " + said.Refusal, Reply: said.Refusal}}
	case said.Finish == CutOff && turn.Widen > 0:
		return Answer{Err: &Error{Kind: Truncated, Reply: said.Text,
			Message: fmt.Sprintf("the answer does not fit into %d tokens", t.Room<<turn.Widen)}}
	case said.Finish == CutOff:
		next.Widen, next.Reason = 1, ""
		return Answer{Again: &next}
	}
	result, complaint := t.Read(said.Text)
	switch {
	case complaint == "":
		return Answer{Text: result}
	case turn.Repairs >= repairs:
		return Answer{Err: &Error{Kind: Invalid, Message: complaint, Reply: said.Text}}
	}
	next.Repairs++
	next.Reason = complaint
	return Answer{Again: &next}
}
