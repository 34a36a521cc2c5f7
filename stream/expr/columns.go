package expr

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// walk visits an expression and what it is made of. free tells whether `row` is the row there, and
// not the variable of a macro; visit returns whether to go deeper.
func walk(e ast.Expr, free bool, visit func(e ast.Expr, free bool) bool) {
	if !visit(e, free) {
		return
	}
	switch e.Kind() {
	case ast.SelectKind:
		walk(e.AsSelect().Operand(), free, visit)
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			walk(c.Target(), free, visit)
		}
		for _, a := range c.Args() {
			walk(a, free, visit)
		}
	case ast.ListKind:
		for _, x := range e.AsList().Elements() {
			walk(x, free, visit)
		}
	case ast.MapKind:
		for _, x := range e.AsMap().Entries() {
			walk(x.AsMapEntry().Key(), free, visit)
			walk(x.AsMapEntry().Value(), free, visit)
		}
	case ast.StructKind:
		for _, x := range e.AsStruct().Fields() {
			walk(x.AsStructField().Value(), free, visit)
		}
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		walk(c.IterRange(), free, visit)
		walk(c.AccuInit(), free, visit)
		result := free && c.AccuVar() != rowVariable
		inner := result && c.IterVar() != rowVariable && c.IterVar2() != rowVariable
		walk(c.LoopCondition(), inner, visit)
		walk(c.LoopStep(), inner, visit)
		walk(c.Result(), result, visit)
	}
}

// selection takes `operand.field` and `operand.?field` apart.
func selection(e ast.Expr) (operand ast.Expr, field string, ok bool) {
	switch e.Kind() {
	case ast.SelectKind:
		s := e.AsSelect()
		return s.Operand(), s.FieldName(), true
	case ast.CallKind:
		c := e.AsCall()
		if c.FunctionName() != operators.OptSelect || len(c.Args()) != 2 || c.Args()[1].Kind() != ast.LiteralKind {
			return nil, "", false
		}
		if name, isText := c.Args()[1].AsLiteral().(types.String); isText {
			return c.Args()[0], string(name), true
		}
	}
	return nil, "", false
}

func isRow(e ast.Expr, free bool) bool {
	return free && e.Kind() == ast.IdentKind && e.AsIdent() == rowVariable
}

// reads lists the columns that an expression reads, in the order of the schema; the bare row reads all.
func reads(e ast.Expr, row *shape) []string {
	read := map[string]bool{}
	walk(e, true, func(e ast.Expr, free bool) bool {
		if operand, field, ok := selection(e); ok && isRow(operand, free) {
			read[field] = true
			return false
		}
		if isRow(e, free) {
			for _, c := range row.columns {
				read[c.Name] = true
			}
		}
		return true
	})
	var names []string
	for _, c := range row.columns {
		if read[c.Name] {
			names = append(names, c.Name)
		}
	}
	return names
}

// unknownColumns finds the columns and fields that the schema lacks. It runs before types are checked,
// so that a misspelt name is told as such.
func (s *source) unknownColumns(e ast.Expr, row *shape) []error {
	var faults []error
	walk(e, true, func(e ast.Expr, free bool) bool {
		operand, field, ok := selection(e)
		if !ok {
			return true
		}
		sh := shapeOf(operand, row, free)
		if sh == nil || sh.index(field) >= 0 {
			return true
		}
		what, hint := "column", stream.DidYouMean("columns", field, sh.names())
		if sh != row {
			what, hint = "field of "+s.print(operand), stream.DidYouMean("fields", field, sh.names())
		}
		faults = append(faults, s.problem("unknown_column", s.fieldOffset(e.ID()), "there is no "+what+" "+quoted(field), hint))
		return false
	})
	return faults
}

// shapeOf is the row or struct that an expression selects by name, or nil.
func shapeOf(e ast.Expr, row *shape, free bool) *shape {
	if isRow(e, free) {
		return row
	}
	if e.Kind() != ast.SelectKind {
		return nil
	}
	sh := shapeOf(e.AsSelect().Operand(), row, free)
	if sh == nil {
		return nil
	}
	i := sh.index(e.AsSelect().FieldName())
	if i < 0 || sh.columns[i].Type.Kind != cdc.Struct {
		return nil
	}
	return sh.nested[i]
}

// presence turns `row.c == null` and `row.c != null` into presence tests, which need not decode the
// value, allow a list to be compared, and work where the value is stored elsewhere.
func presence(e ast.Expr, row *shape) {
	fac := ast.NewExprFactory()
	walk(e, true, func(e ast.Expr, free bool) bool {
		if e.Kind() != ast.CallKind {
			return true
		}
		name, args := e.AsCall().FunctionName(), e.AsCall().Args()
		if name != operators.Equals && name != operators.NotEquals {
			return true
		}
		x, y := args[0], args[1]
		if isNull(x) {
			x, y = y, x
		}
		if !isNull(y) || x.Kind() != ast.SelectKind || x.AsSelect().IsTestOnly() || shapeOf(x.AsSelect().Operand(), row, free) == nil {
			return true
		}
		test := fac.NewPresenceTest(x.ID(), x.AsSelect().Operand(), x.AsSelect().FieldName())
		if name == operators.NotEquals {
			e.SetKindCase(test)
		} else {
			e.SetKindCase(fac.NewCall(e.ID(), operators.LogicalNot, test))
		}
		return true
	})
}

func isNull(e ast.Expr) bool { return e.Kind() == ast.LiteralKind && e.AsLiteral() == types.NullValue }

// column is the index of the column that an expression is, or -1.
func column(e ast.Expr, row *shape) int {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() || !isRow(e.AsSelect().Operand(), true) {
		return -1
	}
	return row.index(e.AsSelect().FieldName())
}
