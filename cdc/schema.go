package cdc

import "strings"

// Schema names and types the columns of a collection and says which of them are its key, in order.
// It is immutable once it is shared.
type Schema struct {
	Columns []Column
	Key     []int // indices into Columns; empty only for rows that no collection holds
}

// Index is the place of a column, or -1.
func (s *Schema) Index(name string) int {
	for i := range s.Columns {
		if s.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Names lists the columns in order.
func (s *Schema) Names() []string {
	names := make([]string, len(s.Columns))
	for i := range s.Columns {
		names[i] = s.Columns[i].Name
	}
	return names
}

// IsKey reports whether the column at i is part of the key.
func (s *Schema) IsKey(i int) bool {
	for _, k := range s.Key {
		if k == i {
			return true
		}
	}
	return false
}

// KeyTypes are the types of the key columns in key order.
func (s *Schema) KeyTypes() []Type {
	types := make([]Type, len(s.Key))
	for i, k := range s.Key {
		types[i] = s.Columns[k].Type
	}
	return types
}

// Select is the schema of just the columns that keep accepts, in their order, and where each stood.
// Key columns are always kept.
func (s *Schema) Select(keep func(name string) bool) (*Schema, []int) {
	out := &Schema{}
	var from []int
	place := make(map[int]int, len(s.Key))
	for i, c := range s.Columns {
		if !s.IsKey(i) && !keep(c.Name) {
			continue
		}
		place[i] = len(from)
		out.Columns = append(out.Columns, c)
		from = append(from, i)
	}
	for _, k := range s.Key {
		out.Key = append(out.Key, place[k])
	}
	return out, from
}

// Equal reports whether two schemas have the same columns in the same order and the same key.
func (s *Schema) Equal(o *Schema) bool {
	if len(s.Columns) != len(o.Columns) || len(s.Key) != len(o.Key) {
		return false
	}
	for i := range s.Columns {
		if s.Columns[i].Name != o.Columns[i].Name || !s.Columns[i].Type.Equal(o.Columns[i].Type) {
			return false
		}
	}
	for i := range s.Key {
		if s.Key[i] != o.Key[i] {
			return false
		}
	}
	return true
}

// String writes the schema on one line, key columns marked by a star.
func (s *Schema) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, c := range s.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c.Name)
		if s.IsKey(i) {
			b.WriteByte('*')
		}
		b.WriteByte(' ')
		b.WriteString(c.Type.String())
	}
	b.WriteByte('}')
	return b.String()
}
