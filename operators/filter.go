package operators

import (
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/expr"
)

// FilterConfig is `filter: condition`.
type FilterConfig struct {
	Condition string `yaml:",scalar" required:"true" doc:"A CEL condition over row. Rows for which it is false or null are left out."`
}

// filterVersion changes when a filter of the same condition keeps other rows than before.
const filterVersion = 1

type filter struct{ config FilterConfig }

// NewFilter is the operator that keeps the rows for which a condition holds. Its faults have an empty
// Field: the config is the condition.
func NewFilter(c FilterConfig) (stream.Operator, error) { return filter{c}, nil }

type boundFilter struct {
	carry
	condition *expr.Program
}

// Bind implements stream.Operator.
func (f filter) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	p, err := expr.Compile(f.config.Condition, in, expr.Options{Want: []cdc.Kind{cdc.Bool}})
	if err != nil {
		return nil, err
	}
	return &boundFilter{carry: carrying(in, keep), condition: p}, nil
}

func (f *boundFilter) Schema() *cdc.Schema { return f.schema }
func (f *boundFilter) Reads() []string     { return f.condition.Reads() }
func (f *boundFilter) Logic() []byte       { return logic("filter", filterVersion, f.condition.Logic()) }

// Map implements stream.Mapper.
func (f *boundFilter) Map(in cdc.Row, out *stream.Rows) error {
	holds, err := f.condition.Bool(in)
	if err != nil || !holds {
		return err
	}
	if f.whole {
		out.EmitRow(in)
		return nil
	}
	out.Builder.Reset()
	f.append(&out.Builder, in)
	out.Emit()
	return nil
}
