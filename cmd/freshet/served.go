package main

import (
	"context"
	"fmt"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

// served is a model behind a server that may have one of several roles: the first step that names it gives it one. Its
// queue, its limits and its account are those of that role.
type served struct {
	vectorModel
	kind        string
	images      bool
	texts       *operators.Generative // nil: the kind has no such role
	scores      *operators.Scorer
	transcripts *operators.Listener
	role        string // the operator of the first step that has named it
}

var (
	_ operators.Texts       = (*served)(nil)
	_ operators.Vectors     = (*served)(nil)
	_ operators.Images      = (*served)(nil)
	_ operators.Scores      = (*served)(nil)
	_ operators.Transcripts = (*served)(nil)
)

// newServed makes a model of a client, with all roles that the client can play.
func newServed(name string, e accel.Embedder, m flowfile.ModelConfig, o operators.ModelOptions) *served {
	s := &served{vectorModel: newVectors(name, e, m, o), kind: e.Identity().Provider}
	if g, ok := e.(accel.Generator); ok {
		s.texts = operators.NewGenerative(name, g, o)
	}
	if r, ok := e.(accel.Ranker); ok {
		s.scores = operators.NewScorer(name, r, o)
	}
	if t, ok := e.(accel.Transcriber); ok {
		s.transcripts = operators.NewListener(name, t, o)
	}
	i, ok := e.(interface{ TakesImages() bool })
	s.images = ok && i.TakesImages()
	return s
}

// Vectors implements operators.Vectors.
func (m *served) Vectors() error { return m.take("embed", true) }

// Images implements operators.Images.
func (m *served) Images() bool { return m.images }

// Texts implements operators.Texts.
func (m *served) Texts() (*operators.Generative, error) {
	return m.texts, m.take("extract", m.texts != nil)
}

// Scores implements operators.Scores.
func (m *served) Scores() (*operators.Scorer, error) {
	return m.scores, m.take("rerank", m.scores != nil)
}

// Transcripts implements operators.Transcripts.
func (m *served) Transcripts() (*operators.Listener, error) {
	return m.transcripts, m.take("transcribe", m.transcripts != nil)
}

// take gives the model a role for good.
func (m *served) take(role string, able bool) error {
	if !able {
		return &stream.Problem{Code: "bad_value", Field: "model", Message: fmt.Sprintf("the model %q is of kind %s, which serves no step with %s", m.Name(), m.kind, role),
			Hint: "name a model of another kind; docs/models.md has a table of them"}
	}
	if m.role != "" && m.role != role {
		return &stream.Problem{Code: "bad_value", Field: "model", Message: fmt.Sprintf("the model %q is used by a step with %s as well", m.Name(), m.role),
			Hint: "declare it under two names, one for each: they share the limits of the server"}
	}
	m.role = role
	return nil
}

func (m *served) measure(ctx context.Context) error {
	if m.role != "" && m.role != "embed" {
		return nil
	}
	return m.vectorModel.measure(ctx)
}

// answers asks a model of vectors alone: what another one answers costs more than it tells.
func (m *served) answers(ctx context.Context) (said string, err error) {
	if m.role != "" && m.role != "embed" {
		return "known, and not asked", nil
	}
	return m.vectorModel.answers(ctx)
}
