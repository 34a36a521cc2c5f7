package operators

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Embed declares a step that adds the vector of a text, in a column named vector. The text is made of a
// row by a Go function, and sent just as it is; where it is empty the vector is null and no call is made.
//
// A call is remembered by model and text alone: a new version of the function sends again only the texts
// that came out differently, and a step of a flow file that sends the same text to the same model shares
// the answer (I7). To see the vector in Go, name the collection with [stream.As] as a type that has it.
func Embed[T any](in stream.CollectionOf[T], name string, f stream.Func, model stream.Model, text func(T) string) stream.CollectionOf[T] {
	return stream.Apply[T](in, name, textEmbed[T]{from: in.Name(), step: name, version: f.Version, model: model, text: text}, f.StepOptions)
}

// textEmbed is an embed step whose text a Go function makes.
type textEmbed[T any] struct {
	from, step string
	version    int
	model      stream.Model
	text       func(T) string
}

type boundTextEmbed[T any] struct {
	boundEmbed
	decoder *stream.Decoder[T]
	of      textEmbed[T]
}

// Bind implements stream.Operator.
func (e textEmbed[T]) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	if e.text == nil {
		return nil, &stream.Problem{Code: "missing_key", Message: "the step has no function", Hint: "give the function that makes the text"}
	}
	if e.model == nil {
		return nil, &stream.Problem{Code: "missing_key", Field: "model", Message: "the step has no model", Hint: "give an embedding model"}
	}
	model, err := vectorsOf(e.model)
	if err != nil {
		return nil, err
	}
	decoder, err := stream.NewDecoder[T](e.from, in)
	if err != nil {
		return nil, err
	}
	if isKeyColumn(in, DefaultVector) {
		return nil, &stream.Problem{Code: "bad_value", Message: fmt.Sprintf("%q is part of the key and cannot be replaced", DefaultVector),
			Hint: "name the key column otherwise in the step before"}
	}
	b := &boundTextEmbed[T]{decoder: decoder, of: e}
	b.boundEmbed = boundEmbed{carry: carrying(in, keep, DefaultVector), model: model, as: DefaultVector, vector: keep(DefaultVector)}
	if b.vector {
		b.add(DefaultVector, cdc.Type{Kind: cdc.Vector, Dims: b.model.Dims(), Nullable: true})
	}
	return b, nil
}

func (e *boundTextEmbed[T]) Reads() []string { return e.decoder.Columns() }

// Logic implements stream.Bound.
func (e *boundTextEmbed[T]) Logic() []byte {
	version := binary.AppendVarint([]byte("go "), int64(e.of.version))
	return logic("embed", embedVersion, e.model.Identity(), version, []byte(e.of.step), e.decoder.Logic(), []byte(e.as))
}

// Input implements stream.Caller.
func (e *boundTextEmbed[T]) Input(dst []byte, in cdc.Row) ([]byte, bool, error) {
	var row T
	if err := e.decoder.Decode(in, &row); err != nil {
		return dst, false, err
	}
	text, err := e.textOf(row)
	return append(dst, text...), err == nil && text != "", err
}

func (e *boundTextEmbed[T]) textOf(row T) (text string, err error) {
	defer stream.Guard(e.of.text, &err)
	if text = e.of.text(row); !utf8.ValidString(text) {
		return "", fmt.Errorf("make text: %.40q is not valid UTF-8", text)
	}
	return text, nil
}
