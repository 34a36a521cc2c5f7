package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/expr"
)

// Searcher finds the index of a sink, or the first one of the flow for an empty name.
type Searcher interface {
	Index(sink string) (*engine.Index, error)
}

// Question is a search: for a text, which the index's own model turns into a vector, or for a vector.
type Question struct {
	Text   string    `json:"text,omitempty"`
	Vector []float32 `json:"vector,omitempty"`
	K      int       `json:"k,omitempty"`     // rows wanted; default 5
	Where  string    `json:"where,omitempty"` // a CEL condition over the columns of the sink
	Sink   string    `json:"sink,omitempty"`  // which index; the first one where empty
}

// Answer holds the rows found, best first.
type Answer struct {
	Hits []Hit `json:"hits"`
}

// length is that of the vectors which a sink holds.
func length(in stream.SinkCollection) int {
	for _, c := range in.Schema.Columns {
		if c.Type.Kind == cdc.Vector {
			return c.Type.Dims
		}
	}
	return 0
}

// Hit is a row that was found: _key, the columns without the vector, _version.
type Hit struct {
	Score      float32         `json:"score"`
	Collection string          `json:"collection,omitempty"` // where the sink takes several
	Row        json.RawMessage `json:"row"`
}

// Bounds of a question.
const (
	defaultHits = 5
	maxHits     = 10000
)

// Find answers a question.
func Find(ctx context.Context, indexes Searcher, q Question) (*Answer, error) {
	if q.K == 0 {
		q.K = defaultHits
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	index, err := indexes.Index(q.Sink)
	if err != nil {
		return nil, err
	}
	defer index.Close()
	inputs := index.Inputs
	where, err := condition(q.Where, inputs)
	if err != nil {
		return nil, err
	}
	vector := q.Vector
	if dims := length(inputs[0]); vector != nil && len(vector) != dims {
		return nil, &Fault{Code: "bad_value", Message: fmt.Sprintf("the vector has %d dimensions, sink %s holds %d", len(vector), index.Sink, dims),
			Hint: "embed the question with the model of the flow, or give its text"}
	}
	if vector == nil {
		if vector, err = index.Embed(ctx, q.Text); err != nil {
			return nil, err
		}
	}
	if !slices.ContainsFunc(vector, func(x float32) bool { return x != 0 }) {
		return nil, &Fault{Code: "bad_value", Message: "the vector of the question has length zero, so that nothing is like it", Hint: "ask with other words, or with another vector"}
	}
	hits, err := index.Search(ctx, stream.Query{Vector: vector, K: q.K, Where: where})
	if err != nil {
		return nil, err
	}
	answer := &Answer{Hits: make([]Hit, len(hits))}
	for i := range hits {
		in := inputs[hits[i].Collection]
		answer.Hits[i] = Hit{Score: hits[i].Score, Row: rowJSON(shown(in), &hits[i])}
		if len(inputs) > 1 {
			answer.Hits[i].Collection = in.Name
		}
	}
	return answer, nil
}

func (q *Question) check() error {
	switch {
	case q.Text == "" && q.Vector == nil:
		return &Fault{Code: "usage", Message: "search for what?", Hint: `give a text, or a vector of numbers`}
	case q.Text != "" && q.Vector != nil:
		return &Fault{Code: "usage", Message: "the question has both a text and a vector", Hint: "give one of them"}
	case q.K < 1 || q.K > maxHits:
		return &Fault{Code: "bad_value", Message: fmt.Sprintf("k is %d", q.K), Hint: fmt.Sprintf("ask for 1 to %d rows", maxHits)}
	}
	return nil
}

// shown is the schema of what readers see of a sink's rows.
func shown(c stream.SinkCollection) *cdc.Schema {
	return &cdc.Schema{Columns: c.Schema.Columns[:len(c.Schema.Columns)-c.Hidden]}
}

// condition compiles the condition of a question for each collection; an empty one keeps every row. Where it cannot be
// asked of the rows of a collection, since they lack a column, it keeps none of them; it has to fit one at least.
func condition(text string, inputs []stream.SinkCollection) (func(int, cdc.Row) (bool, error), error) {
	if text == "" {
		return nil, nil
	}
	keeps := make([]func(cdc.Row) (bool, error), len(inputs))
	var misfit error
	fits := false
	for i := range inputs {
		p, err := expr.Compile(text, shown(inputs[i]), expr.Options{Want: []cdc.Kind{cdc.Bool}, Field: "where"})
		if err == nil {
			keeps[i], fits = p.Bool, true
		} else if misfit == nil {
			misfit = err
		}
	}
	if !fits {
		return nil, unfit(misfit)
	}
	return func(collection int, row cdc.Row) (bool, error) {
		if keep := keeps[collection]; keep != nil {
			return keep(row)
		}
		return false, nil
	}, nil
}

// unfit is the fault of a condition that fits no collection.
func unfit(err error) error {
	var first *stream.Problem
	if errors.As(err, &first) {
		return &Fault{Code: first.Code, Message: fmt.Sprintf("where: at character %d: %s", first.Offset+1, first.Message), Hint: first.Hint}
	}
	return fmt.Errorf("read condition: %w", err)
}

// rowJSON writes a row with its key, without vectors.
func rowJSON(schema *cdc.Schema, h *stream.Hit) json.RawMessage {
	b := append([]byte(`{"_key":`), cdc.AppendJSONString(nil, h.Key.Text())...)
	for i, c := range schema.Columns {
		if c.Type.Kind == cdc.Vector || i >= h.Row.Len() {
			continue
		}
		b = append(cdc.AppendJSONString(append(b, ','), c.Name), ':')
		b = cdc.AppendJSON(b, &c.Type, h.Row.At(i))
	}
	b = strconv.AppendUint(append(b, `,"_version":`...), h.Version, 10)
	return append(b, '}')
}

func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	var q Question
	if err := readJSON(w, r, &q); err != nil {
		s.answer(w, nil, err)
		return
	}
	found, err := s.find(r.Context(), q)
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	s.answer(w, found, nil)
}

func (s *Server) find(ctx context.Context, q Question) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.SearchTimeout)
	defer cancel()
	return Find(ctx, s.flow.Search, q)
}
