package operators

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/freshet/freshet/accel"
)

// canaryText is what is asked to see whether a model is still the same. Its vector is compared with the one
// that the model gave first.
const canaryText = "The river carries meltwater to the sea."

// canaryNear is the least likeness (cosine) of two vectors of the same text by the same model: enough for
// another order of sums on another machine, too much for another model.
const canaryNear = 0.999

// face is what is known of the model that answers under a name.
type face struct {
	mu    sync.Mutex
	seen  appearance
	fresh bool // it has changed since it was last kept
}

// appearance is what a model looks like from outside.
type appearance struct {
	Model  string    `json:"model,omitempty"`
	Canary []float32 `json:"canary,omitempty"`
	Other  bool      `json:"other,omitempty"` // another one has answered, and nobody has accepted it
	// Accepted is how often a person has accepted another one.
	Accepted int `json:"accepted,omitempty"`
}

// watched is an Answerer that notices when another model answers.
type watched struct {
	accel.Answerer
	face *face
}

// Answer implements accel.Answerer. A reply of another model is none: what is charged for it is told all
// the same.
func (w *watched) Answer(ctx context.Context, asked []accel.Asked) (accel.Answers, error) {
	answers, err := w.Answerer.Answer(ctx, asked)
	if err != nil || answers.Model == "" {
		return answers, err
	}
	if e := w.face.named(answers.Model); e != nil {
		answers.Each = nil
		return answers, e
	}
	return answers, nil
}

// named compares the name that a model gives itself with the one that it gave first.
func (f *face) named(model string) *accel.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen.Model == "" {
		f.seen.Model, f.fresh = model, true
	}
	if f.seen.Model == model {
		return nil
	}
	return f.otherLocked(fmt.Sprintf("its replies name %q, and named %q before", model, f.seen.Model))
}

func (f *face) otherLocked(what string) *accel.Error {
	f.fresh = f.fresh || !f.seen.Other
	f.seen.Other = true
	return &accel.Error{Kind: accel.Changed, Message: what}
}

// check compares the answer to the fixed text with the first one.
func (w *watched) check(a accel.Answer) *accel.Error {
	f := w.face
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen.Canary == nil {
		f.seen.Canary, f.fresh = a.Vector, true
	}
	if len(a.Vector) != len(f.seen.Canary) {
		return f.otherLocked(fmt.Sprintf("its vectors have %d numbers, and had %d before", len(a.Vector), len(f.seen.Canary)))
	}
	if near := likeness(a.Vector, f.seen.Canary); near < canaryNear {
		return f.otherLocked(fmt.Sprintf("it answers a fixed text with another vector than before: their likeness is %.3f", near))
	}
	return nil
}

// likeness is the cosine of two vectors.
func likeness(a, b []float32) float64 {
	var dot, aa, bb float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	if aa == 0 || bb == 0 {
		return 1
	}
	return dot / math.Sqrt(aa*bb)
}
