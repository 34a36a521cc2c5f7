package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// ErrNoIndex says that a flow has no sink that can be searched.
var ErrNoIndex = errors.New("the flow has no sink that can be searched")

// SinkError says that a flow has sinks that can be searched, and none of them has this name. It is an [ErrNoIndex].
type SinkError struct {
	Name string
	Have []string
}

func (e *SinkError) Error() string {
	return fmt.Sprintf("no sink that can be searched is named %q", e.Name)
}

// Unwrap makes it an ErrNoIndex.
func (e *SinkError) Unwrap() error { return ErrNoIndex }

// Hint names the sinks that can be searched.
func (e *SinkError) Hint() string {
	return stream.DidYouMean("sinks that can be searched", e.Name, e.Have)
}

// Asker is a model that embeds a question at once, beside its queue. A question is not a row: it is
// neither lineage nor counted as a call.
type Asker interface {
	Ask(ctx context.Context, input []byte) ([]byte, error)
}

// Index is the sink that a search goes to, with the model whose vectors it holds.
type Index struct {
	Sink   string
	Inputs []stream.SinkCollection // columns that a hit's row has, by its collection
	Model  stream.Model
	search stream.Searcher
	lease  *atomic.Int64
}

// Index finds the searchable sink of that name, or the first one. During a swap it is the one that
// still serves, with its own model; it is not removed before the index is closed.
func (e *Engine) Index(name string) (*Index, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var found *target
	var search stream.Searcher
	var others []string
	for _, t := range e.graph.targets {
		if t.gone.Load() || t.replaced {
			continue
		}
		s, ok := t.delivery.writer.(stream.Searcher)
		if !ok || t.building.Load() && e.hasRetiring(t.name) {
			continue
		}
		if name != "" && t.name != name {
			others = append(others, t.name)
			continue
		}
		if found == nil || t.retiring {
			found, search = t, s
		}
	}
	if found == nil && len(others) > 0 {
		return nil, &SinkError{Name: name, Have: others}
	}
	if found == nil {
		return nil, ErrNoIndex
	}
	found.searches.Add(1)
	return &Index{Sink: found.name, Inputs: found.sink.Inputs, Model: vectorModel(found), search: search, lease: &found.searches}, nil
}

// Close lets the index go; it is called once.
func (x *Index) Close() { x.lease.Add(-1) }

func (e *Engine) hasRetiring(name string) bool {
	for _, t := range e.graph.targets {
		if t.retiring && !t.replaced && t.name == name {
			return true
		}
	}
	return false
}

// vectorModel is the model of the last expensive step before a target that adds its vector.
func vectorModel(t *target) stream.Model {
	for at := t.sink.From[0]; t.plan.Collections[at].Step >= 0; {
		step := t.plan.Steps[t.plan.Collections[at].Step]
		if step.Caller != nil && step.Caller.Calls().ByReference {
			return step.Caller.Calls().Model
		}
		at = step.From
	}
	return nil
}

// Embed turns a question into a vector with the index's own model.
func (x *Index) Embed(ctx context.Context, text string) ([]float32, error) {
	switch m := x.Model.(type) {
	case Asker:
		raw, err := m.Ask(ctx, []byte(text))
		if err != nil {
			return nil, fmt.Errorf("embed the question with model %s: %w", x.Model.Name(), err)
		}
		return cdc.Value{Raw: raw}.AppendVector(nil), nil
	case stream.InlineModel:
		raw, err := m.Answer([][]byte{[]byte(text)})
		if err != nil {
			return nil, fmt.Errorf("embed the question with model %s: %w", x.Model.Name(), err)
		}
		return cdc.Value{Raw: raw[0]}.AppendVector(nil), nil
	}
	return nil, fmt.Errorf("embed the question: the vectors of sink %s come from no model; give a vector instead", x.Sink)
}

// Search finds the nearest rows.
func (x *Index) Search(ctx context.Context, q stream.Query) ([]stream.Hit, error) {
	hits, err := x.search.Search(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("search sink %s: %w", x.Sink, err)
	}
	return hits, nil
}
