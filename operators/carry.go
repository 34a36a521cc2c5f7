package operators

import (
	"github.com/freshet/freshet/cdc"
)

// carry is the part of a row that a step passes on: the key, and what somebody reads.
type carry struct {
	schema *cdc.Schema // of the columns passed on; the step adds its own behind
	fields []int       // where each stands in the input
	whole  bool        // the input row as it is
}

// carrying finds the columns that are passed on. Those named in replaced are not, unless the key has
// them.
func carrying(in *cdc.Schema, keep func(string) bool, replaced ...string) carry {
	schema, fields := in.Select(func(name string) bool {
		for _, r := range replaced {
			if r == name {
				return false
			}
		}
		return keep(name)
	})
	return carry{schema: schema, fields: fields, whole: len(fields) == len(in.Columns)}
}

// append adds the fields passed on to a row in the making.
func (c *carry) append(b *cdc.RowBuilder, in cdc.Row) {
	for _, f := range c.fields {
		b.Value(in.At(f))
	}
}

// add puts a column behind the others and returns its place.
func (c *carry) add(name string, t cdc.Type) int {
	c.schema.Columns = append(c.schema.Columns, cdc.Column{Name: name, Type: t})
	return len(c.schema.Columns) - 1
}

// isKeyColumn reports whether a column of that name is part of the key.
func isKeyColumn(s *cdc.Schema, name string) bool {
	at := s.Index(name)
	return at >= 0 && s.IsKey(at)
}
