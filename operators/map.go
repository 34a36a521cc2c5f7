package operators

import (
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// MapConfig is `map: {column: expression}`.
type MapConfig struct {
	Columns []MapColumn `yaml:",rest"`
	// Carry has columns of the input passed on as well, unless one of Columns takes the name; nil: none is.
	Carry func(cdc.Column) bool `yaml:"-"`
}

// MapColumn is a column and the CEL expression that computes it.
type MapColumn struct {
	Name       string `yaml:",key"`
	Expression string `yaml:",value"`
}

// mapVersion changes when a map of the same expressions yields other rows than before.
const mapVersion = 1

type mapping struct{ config MapConfig }

// NewMap is the operator whose rows have exactly the columns given, behind the key. A fault's Field is
// the name of the column.
func NewMap(c MapConfig) (stream.Operator, error) {
	var faults []error
	if len(c.Columns) == 0 {
		faults = append(faults, &stream.Problem{Code: "missing_key", Message: "map has no columns",
			Hint: "write {column: expression}, such as {body: row.text}"})
	}
	seen := map[string]bool{}
	for _, x := range c.Columns {
		if x.Name == "" || x.Name[0] == '_' {
			faults = append(faults, &stream.Problem{Code: "bad_value", Field: x.Name,
				Message: fmt.Sprintf("%q cannot name a column", x.Name),
				Hint:    "names that begin with _ are kept for what sinks add, such as _key and _version"})
		}
		if seen[x.Name] {
			faults = append(faults, &stream.Problem{Code: "duplicate_name", Field: x.Name,
				Message: fmt.Sprintf("two columns are named %q", x.Name), Hint: "give each column a name of its own"})
		}
		seen[x.Name] = true
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return mapping{c}, nil
}

type boundMap struct {
	carry
	columns []MapColumn // those kept, for faults of rows
	build   []*expr.Program
	reads   []string
}

// Bind implements stream.Operator.
func (m mapping) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	b := &boundMap{carry: carrying(in, func(name string) bool { return keep(name) && m.carries(in, name) })}
	read := map[string]bool{}
	var faults []error
	for _, c := range m.config.Columns {
		key := isKeyColumn(in, c.Name)
		if !key && !keep(c.Name) {
			continue // it may read columns that are not carried
		}
		p, err := expr.Compile(c.Expression, in, expr.Options{Field: c.Name})
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if key {
			if name, ok := p.Column(); !ok || name != c.Name {
				faults = append(faults, &stream.Problem{Code: "bad_value", Field: c.Name,
					Message: fmt.Sprintf("%q is part of the key, which a map keeps as it is", c.Name),
					Hint:    "give the column another name, or write row." + c.Name})
			}
			continue
		}
		for _, name := range p.Reads() {
			read[name] = true
		}
		b.add(c.Name, p.Type())
		b.columns, b.build = append(b.columns, c), append(b.build, p)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	for _, c := range in.Columns {
		if read[c.Name] {
			b.reads = append(b.reads, c.Name)
		}
	}
	return b, nil
}

// carries reports whether a column of the input is passed on as it is.
func (m mapping) carries(in *cdc.Schema, name string) bool {
	named := slices.ContainsFunc(m.config.Columns, func(c MapColumn) bool { return c.Name == name })
	return m.config.Carry != nil && !named && m.config.Carry(in.Columns[in.Index(name)])
}

func (m *boundMap) Schema() *cdc.Schema { return m.schema }
func (m *boundMap) Reads() []string     { return m.reads }

// OnDemand implements stream.Selective: what a map names is wanted.
func (m *boundMap) OnDemand() []string { return nil }

func (m *boundMap) Logic() []byte {
	parts := make([][]byte, 0, 2*len(m.build))
	for i, p := range m.build {
		parts = append(parts, []byte(m.columns[i].Name), p.Logic())
	}
	return logic("map", mapVersion, slices.Clip(parts)...)
}

// Map implements stream.Mapper.
func (m *boundMap) Map(in cdc.Row, out *stream.Rows) error {
	out.Builder.Reset()
	m.append(&out.Builder, in)
	for i, p := range m.build {
		if err := p.AppendTo(&out.Builder, in); err != nil {
			return fmt.Errorf("compute %s: %w", m.columns[i].Name, err)
		}
	}
	out.Emit()
	return nil
}
