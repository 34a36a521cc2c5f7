package expr

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/freshet/freshet/stream"
)

// strangers finds texts that a column of an enum is compared with and never holds: such a condition is
// always the same, and mostly misspelt.
func (s *source) strangers(e ast.Expr) []error {
	var faults []error
	check := func(x, literal ast.Expr) {
		at := column(x, s.row)
		value, ok := text(literal)
		if at < 0 || !ok {
			return
		}
		c := s.row.columns[at]
		if len(c.Type.Enum) == 0 || slices.Contains(c.Type.Enum, value) {
			return
		}
		hint := "its values are " + strings.Join(c.Type.Enum, ", ")
		if near := stream.Nearest(value, c.Type.Enum); near != "" {
			hint = "did you mean " + quoted(near) + "?"
		}
		faults = append(faults, s.problem("expression_type", s.offset(literal.ID()), "row."+c.Name+" is never "+quoted(value), hint))
	}
	walk(e, true, func(e ast.Expr, free bool) bool {
		if e.Kind() != ast.CallKind || !free {
			return free // under a macro's own `row` no column is meant
		}
		args := e.AsCall().Args()
		switch e.AsCall().FunctionName() {
		case operators.Equals, operators.NotEquals:
			check(args[0], args[1])
			check(args[1], args[0])
		case operators.In:
			if args[1].Kind() == ast.ListKind {
				for _, x := range args[1].AsList().Elements() {
					check(args[0], x)
				}
			}
		}
		return true
	})
	return faults
}
