package streamtest

import (
	"errors"
	"strconv"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Schema is that of the rows which the operators below take: id string*, body string, other int.
func Schema() *cdc.Schema {
	return &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.String}},
		{Name: "body", Type: cdc.Type{Kind: cdc.String}}, {Name: "other", Type: cdc.Type{Kind: cdc.Int64}}}}
}

// NewRow builds a row of Schema.
func NewRow(id, body string, other int64) cdc.Row {
	var b cdc.RowBuilder
	b.Text(id)
	b.Text(body)
	b.Int64(other)
	return b.Build()
}

// Cut is a stream.Operator that cuts the column body at every `|` into rows keyed by their text and
// occurrence, and drops pieces that contain Without.
type Cut struct{ Without string }

// Bind implements stream.Operator.
func (c Cut) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	body := in.Index("body")
	if body < 0 {
		return nil, &stream.Problem{Code: "unknown_column", Field: "text", Message: "no column body", Hint: "give one"}
	}
	out := &cdc.Schema{Key: []int{0, 1}, Columns: []cdc.Column{in.Columns[0], {Name: "piece_id", Type: cdc.Type{Kind: cdc.String}}}}
	b := &boundCut{without: c.Without, schema: out, body: body, other: -1, piece: keep("piece")}
	if b.piece {
		out.Columns = append(out.Columns, cdc.Column{Name: "piece", Type: cdc.Type{Kind: cdc.String}})
	}
	if at := in.Index("other"); at >= 0 && keep("other") {
		b.other = at
		out.Columns = append(out.Columns, in.Columns[at])
	}
	return b, nil
}

type boundCut struct {
	without     string
	schema      *cdc.Schema
	body, other int
	piece       bool // somebody reads it
}

func (b *boundCut) Schema() *cdc.Schema { return b.schema }
func (b *boundCut) Reads() []string     { return []string{"body"} }
func (b *boundCut) Logic() []byte       { return []byte("cut 1 " + b.without) }

// Map implements stream.Mapper. A body of `!` is an error.
func (b *boundCut) Map(in cdc.Row, out *stream.Rows) error {
	body := in.At(b.body).Text()
	if body == "!" {
		return errors.New("the body cannot be cut")
	}
	seen := map[string]int{}
	for _, piece := range strings.Split(body, "|") {
		if piece == "" || b.without != "" && strings.Contains(piece, b.without) {
			continue
		}
		seen[piece]++
		out.Builder.Reset()
		out.Builder.Value(in.At(0))
		out.Builder.Text(piece + "-" + strconv.Itoa(seen[piece]))
		if b.piece {
			out.Builder.Text(piece)
		}
		if b.other >= 0 {
			out.Builder.Value(in.At(b.other))
		}
		out.Emit()
	}
	return nil
}

// Ask is a stream.Operator that asks a model about one column; the answer is a column of its own.
type Ask struct {
	Model  stream.Model
	Column string
	As     string // name of the answer; default said
	Ref    bool   // pass the answer on by reference
}

// Bind implements stream.Operator.
func (a Ask) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	if a.As == "" {
		a.As = "said"
	}
	schema, fields := in.Select(func(name string) bool { return keep(name) })
	b := &boundAsk{ask: a, schema: schema, fields: fields, at: in.Index(a.Column), said: keep(a.As)}
	if b.said {
		schema.Columns = append(schema.Columns, cdc.Column{Name: a.As, Type: cdc.Type{Kind: cdc.String, Nullable: true}})
	}
	return b, nil
}

type boundAsk struct {
	ask    Ask
	schema *cdc.Schema
	fields []int
	at     int
	said   bool // somebody reads it
}

func (b *boundAsk) Schema() *cdc.Schema { return b.schema }
func (b *boundAsk) Reads() []string     { return []string{b.ask.Column} }
func (b *boundAsk) Logic() []byte       { return append([]byte("ask 1 "), b.ask.Model.Identity()...) }

// Calls implements stream.Caller.
func (b *boundAsk) Calls() stream.Calls {
	return stream.Calls{Model: b.ask.Model, Logic: b.ask.Model.Identity(), ByReference: b.ask.Ref}
}

// Input implements stream.Caller.
func (b *boundAsk) Input(dst []byte, in cdc.Row) ([]byte, bool, error) {
	v := in.At(b.at)
	return append(dst, v.Raw...), v.State == cdc.Set, nil
}

// Output implements stream.Caller.
func (b *boundAsk) Output(out *cdc.RowBuilder, in cdc.Row, result cdc.Value) error {
	for _, f := range b.fields {
		out.Value(in.At(f))
	}
	if b.said {
		out.Value(result)
	}
	return nil
}
