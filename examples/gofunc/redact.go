package main

import (
	"regexp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

var address = regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`)

// redact is an operator: it hides addresses of e-mail in every text of a row, whatever columns the row has. Where a
// function is enough, as in decision.go, a function is less to write.
type redact struct{}

// Bind implements stream.Operator. What comes out has the columns of the input that somebody reads, and the key.
func (redact) Bind(in *cdc.Schema, keep func(column string) bool) (stream.Bound, error) {
	b := &boundRedact{}
	b.schema, b.fields = in.Select(keep)
	for i, c := range b.schema.Columns {
		text := c.Type.Kind == cdc.String && !b.schema.IsKey(i)
		if b.texts = append(b.texts, text); text {
			b.reads = append(b.reads, c.Name)
		}
	}
	return b, nil
}

// boundRedact is the operator for rows of one schema. It does not change, so that many goroutines may use it.
type boundRedact struct {
	schema *cdc.Schema
	fields []int  // where each column stands in the input
	texts  []bool // which of them are looked into
	reads  []string
}

func (b *boundRedact) Schema() *cdc.Schema { return b.schema }
func (b *boundRedact) Reads() []string     { return b.reads }

// Logic is all that the output depends on besides the input: with another pattern all rows are computed anew.
func (b *boundRedact) Logic() []byte { return []byte("redact 1 " + address.String()) }

// Map implements stream.Mapper.
func (b *boundRedact) Map(in cdc.Row, out *stream.Rows) error {
	out.Builder.Reset()
	for i, field := range b.fields {
		v := in.At(field)
		if b.texts[i] && v.State == cdc.Set {
			out.Builder.Text(address.ReplaceAllString(v.Text(), "…"))
		} else {
			out.Builder.Value(v)
		}
	}
	out.Emit()
	return nil
}
