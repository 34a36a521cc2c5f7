package pgvector

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// column is a column of a table, and where its values come from.
type column struct {
	cdc.Column
	// want is the type to make it with, have the one that the server gave it, as format_type spells it.
	want, have string
	oid        uint32
	// field is the column's place in a row, or -1 where only the key has it; part is its place in the key, or -1.
	field, part int
}

// table is the place of one collection.
type table struct {
	collection   string
	schema, name string
	as           string // its name once it stands alone: name, but while it is filled beside another
	oid          uint32
	filenode     uint32
	columns      []column // without _version and _source
	key          []int    // indices into columns
	vector       int      // index into columns; -1
	made         bool     // by this opening
	lost         bool     // it was found emptied, replaced or altered
}

// The columns that every table has besides those of its collection.
const (
	versionColumn = "_version"
	sourceColumn  = "_source"
)

// tableFor lays out the table of a collection.
func (s *Sink) tableFor(c stream.SinkCollection) (*table, error) {
	t := &table{collection: c.Name, name: s.tableOf(c.Name), vector: -1}
	if schema, name, ok := splitName(t.name); ok {
		t.schema, t.name = schema, name
	}
	t.as = t.name
	at := func(name string) int {
		return slices.IndexFunc(c.Schema.Columns, func(c cdc.Column) bool { return c.Name == name })
	}
	for part, k := range c.Key {
		if at(k.Name) < 0 {
			t.key = append(t.key, len(t.columns))
			t.columns = append(t.columns, column{Column: k, field: -1, part: part})
		}
	}
	ahead := len(t.columns)
	for i, col := range c.Schema.Columns {
		t.columns = append(t.columns, column{Column: col, field: i, part: -1})
		if col.Type.Kind == cdc.Vector && s.vectors {
			t.vector = ahead + i
		}
	}
	t.key = t.key[:0]
	for part, k := range c.Key {
		i := slices.IndexFunc(t.columns, func(c column) bool { return c.Name == k.Name })
		t.columns[i].part = part
		t.key = append(t.key, i)
	}
	for i := range t.columns {
		c := &t.columns[i]
		if c.Name == versionColumn || c.Name == sourceColumn {
			return nil, &stream.Problem{Code: "bad_value", Field: "columns", Message: fmt.Sprintf("%q has a column %s, which every table has for the sink's own use", t.collection, c.Name),
				Hint: "rename it with columns: {other_name: row." + c.Name + "}"}
		}
		if len(c.Name) > 63 {
			return nil, &stream.Problem{Code: "bad_value", Field: "columns", Message: fmt.Sprintf("the column name %s has %d bytes; PostgreSQL takes 63", c.Name, len(c.Name)),
				Hint: "rename it with columns: {other_name: row." + c.Name + "}"}
		}
		c.want = s.typeOf(c.Type, i == t.vector)
	}
	return t, nil
}

// typeOf is the type of a column whose source does not say it, or whose server lacks the source's type.
func (s *Sink) typeOf(t cdc.Type, searched bool) string {
	switch t.Kind {
	case cdc.Bool:
		return "boolean"
	case cdc.Int64:
		return "bigint"
	case cdc.Float64:
		return "double precision"
	case cdc.Decimal:
		return "numeric"
	case cdc.Bytes:
		return "bytea"
	case cdc.Timestamp:
		return "timestamp with time zone"
	case cdc.Date:
		return "date"
	case cdc.UUID:
		return "uuid"
	case cdc.JSON, cdc.Struct:
		return "jsonb"
	case cdc.Vector:
		if searched {
			return fmt.Sprintf("%s(%d)", s.o.vectorType(), t.Dims)
		}
		return "real[]"
	case cdc.List:
		if t.Elem == nil || t.Elem.Kind == cdc.List || t.Elem.Kind == cdc.Vector {
			return "jsonb" // arrays of arrays must be rectangles, which lists need not be
		}
		return s.typeOf(*t.Elem, false) + "[]"
	}
	return "text"
}

// native are the source's own names of a column's type, the closest first; none where it gives none or where the index decides.
func (t *table) native(i int) (names []string) {
	typ := t.columns[i].Type
	for _, name := range []string{typ.Native, typ.Base} {
		if name != "" && i != t.vector {
			names = append(names, name)
		}
	}
	return names
}

// quoted is the table's name in SQL.
func (t *table) quoted() string { return quote(t.schema) + "." + quote(t.name) }

// quote writes an identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal writes a text.
func literal(text string) string {
	if strings.Contains(text, `\`) {
		return ` E'` + strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\\`), "'", "''") + "'"
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// names lists columns of the table in SQL.
func (t *table) names(columns []int) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quote(t.columns[c].Name)
	}
	return names
}

// all are the indices of the columns.
func (t *table) all() []int {
	indices := make([]int, len(t.columns))
	for i := range indices {
		indices[i] = i
	}
	return indices
}

// rest are the columns outside of the key.
func (t *table) rest() []int {
	return slices.DeleteFunc(t.all(), func(i int) bool { return slices.Contains(t.key, i) })
}
