package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/freshet/freshet/cdc"
)

// lettered finds decimals that would be added or put in order as the texts that they read as: "1.50" + "2.00" is "1.502.00",
// and "9" comes behind "10". Whoever means the texts writes string(row.price).
func (s *source) lettered(e ast.Expr) []error {
	var faults []error
	walk(e, true, func(e ast.Expr, free bool) bool {
		if e.Kind() != ast.CallKind || !free || len(e.AsCall().Args()) != 2 {
			return free // under a macro's own `row` no column is meant
		}
		a, b := s.decimal(e.AsCall().Args()[0]), s.decimal(e.AsCall().Args()[1])
		said := ""
		switch e.AsCall().FunctionName() {
		case operators.Add:
			if a != "" && b != "" {
				said = "two decimals are joined here as texts, not added"
			}
		case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
			if a != "" || b != "" {
				said = "a decimal is compared here as a text: 9 comes behind 10"
			}
		}
		if said != "" {
			if a == "" {
				a = b
			}
			faults = append(faults, s.problem("expression_type", s.offset(e.ID()), said, "write "+s.asNumber(a)+"; or string(…) around it, if the text is meant"))
		}
		return true
	})
	return faults
}

// decimal is the name of the decimal column that an expression is, with or without a default; "" where it is none.
func (s *source) decimal(e ast.Expr) string {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == "orValue" && e.AsCall().IsMemberFunction() {
		e = e.AsCall().Target()
	}
	operand, field, ok := selection(e)
	if !ok || !isRow(operand, true) || e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly() {
		return ""
	}
	if i := s.row.index(field); i >= 0 && s.row.columns[i].Type.Kind == cdc.Decimal {
		return field
	}
	return ""
}
