package expr

import (
	"cmp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet/freshet/cdc"
)

// condition is a compiled predicate. It cannot fail: what could (a null, a value that is not here) is
// kept out when it is compiled and by Program.ready.
type condition func(cdc.Row) bool

// native compiles the common expressions, whose operands are columns and literals; everything else is
// left to CEL.
type native struct{ row *shape }

// condition compiles a boolean expression, or returns nil.
func (n native) condition(e ast.Expr) condition {
	switch e.Kind() {
	case ast.LiteralKind:
		if b, ok := e.AsLiteral().(types.Bool); ok {
			return func(cdc.Row) bool { return bool(b) }
		}
	case ast.SelectKind:
		return n.flag(e)
	case ast.CallKind:
		return n.call(e.AsCall())
	}
	return nil
}

// flag compiles has(row.c), and row.c of a bool that is not null.
func (n native) flag(e ast.Expr) condition {
	s := e.AsSelect()
	if !isRow(s.Operand(), true) {
		return nil
	}
	at := n.row.index(s.FieldName())
	switch t := n.row.columns[at].Type; {
	case s.IsTestOnly():
		return func(r cdc.Row) bool { return r.At(at).State != cdc.Null }
	case t.Kind == cdc.Bool:
		return func(r cdc.Row) bool { return r.At(at).Bool() }
	}
	return nil
}

func (n native) call(c ast.CallExpr) condition {
	switch name := c.FunctionName(); name {
	case operators.LogicalAnd, operators.LogicalOr:
		return n.chain(c.Args(), name == operators.LogicalAnd)
	case operators.LogicalNot:
		if x := n.condition(c.Args()[0]); x != nil {
			return func(r cdc.Row) bool { return !x(r) }
		}
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater,
		operators.GreaterEquals:
		return n.comparison(name, c.Args()[0], c.Args()[1])
	case operators.In:
		return n.member(c.Args()[0], c.Args()[1])
	case "contains", "startsWith", "endsWith":
		if c.IsMemberFunction() && len(c.Args()) == 1 {
			return n.search(name, c.Target(), c.Args()[0])
		}
	}
	return nil
}

func (n native) chain(args []ast.Expr, and bool) condition {
	parts := make([]condition, len(args))
	for i, a := range args {
		if parts[i] = n.condition(a); parts[i] == nil {
			return nil
		}
	}
	return func(r cdc.Row) bool {
		for _, p := range parts {
			if p(r) != and {
				return !and
			}
		}
		return and
	}
}

// column is the index of a column of a kind, or -1.
func (n native) column(e ast.Expr, kind cdc.Kind) int {
	at := column(e, n.row)
	if at < 0 || n.row.columns[at].Type.Kind != kind {
		return -1
	}
	return at
}

func text(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// mirrored are the comparisons with their operands swapped.
func mirrored(op string) string {
	switch op {
	case operators.Less:
		return operators.Greater
	case operators.LessEquals:
		return operators.GreaterEquals
	case operators.Greater:
		return operators.Less
	case operators.GreaterEquals:
		return operators.LessEquals
	}
	return op
}

// holds reports whether an order satisfies a comparison.
func holds(op string) func(order int) bool {
	switch op {
	case operators.Equals:
		return func(o int) bool { return o == 0 }
	case operators.NotEquals:
		return func(o int) bool { return o != 0 }
	case operators.Less:
		return func(o int) bool { return o < 0 }
	case operators.LessEquals:
		return func(o int) bool { return o <= 0 }
	case operators.Greater:
		return func(o int) bool { return o > 0 }
	}
	return func(o int) bool { return o >= 0 }
}

func (n native) comparison(op string, x, y ast.Expr) condition {
	if x.Kind() == ast.LiteralKind {
		x, y, op = y, x, mirrored(op)
	}
	at := column(x, n.row)
	if at < 0 || y.Kind() != ast.LiteralKind {
		return nil
	}
	equality := op == operators.Equals || op == operators.NotEquals
	// A null is unequal to every value; in an order it cannot occur, as nullness has seen to.
	kind, want := n.row.columns[at].Type.Kind, op == operators.NotEquals
	ok := holds(op)
	switch lit := y.AsLiteral().(type) {
	case types.Null:
		if equality {
			return func(r cdc.Row) bool { return (r.At(at).State == cdc.Null) != want }
		}
	case types.String:
		if kind == cdc.String {
			return func(r cdc.Row) bool {
				v := r.At(at)
				if v.State == cdc.Null {
					return want
				}
				return ok(strings.Compare(v.TextView(), string(lit)))
			}
		}
	case types.Int:
		if kind == cdc.Int64 {
			return func(r cdc.Row) bool {
				v := r.At(at)
				if v.State == cdc.Null {
					return want
				}
				return ok(cmp.Compare(v.Int64(), int64(lit)))
			}
		}
	case types.Bool:
		if kind == cdc.Bool && equality {
			return func(r cdc.Row) bool {
				v := r.At(at)
				if v.State == cdc.Null {
					return want
				}
				return (v.Bool() == bool(lit)) != want
			}
		}
	}
	return nil
}

// member compiles row.c in ["a", "b"].
func (n native) member(x, list ast.Expr) condition {
	at := n.column(x, cdc.String)
	if at < 0 || list.Kind() != ast.ListKind {
		return nil
	}
	var values []string
	for _, e := range list.AsList().Elements() {
		v, ok := text(e)
		if !ok {
			return nil
		}
		values = append(values, v)
	}
	return func(r cdc.Row) bool {
		v := r.At(at)
		return v.State != cdc.Null && slices.Contains(values, v.TextView())
	}
}

// search compiles row.c.contains("x") and its kin, also of row.?c.orValue("").
func (n native) search(name string, target, argument ast.Expr) condition {
	find := strings.Contains
	switch name {
	case "startsWith":
		find = strings.HasPrefix
	case "endsWith":
		find = strings.HasSuffix
	}
	x, okX := n.part(target)
	y, okY := n.part(argument)
	if !okX || !okY {
		return nil
	}
	return func(r cdc.Row) bool { return find(x.view(r), y.view(r)) }
}

// part is a text that is a literal, a column, or a column with a text instead of null.
type part struct {
	column  int // -1: the literal
	literal string
}

// view is the text; it shares the row's memory.
func (p *part) view(r cdc.Row) string {
	if p.column < 0 {
		return p.literal
	}
	if v := r.At(p.column); v.State != cdc.Null {
		return v.TextView()
	}
	return p.literal
}

func (n native) part(e ast.Expr) (part, bool) {
	if s, ok := text(e); ok {
		return part{column: -1, literal: s}, true
	}
	if at := n.textColumn(e); at >= 0 {
		return part{column: at}, true
	}
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != "orValue" {
		return part{}, false
	}
	operand, field, ok := selection(e.AsCall().Target())
	if !ok || !isRow(operand, true) {
		return part{}, false
	}
	s, ok := text(e.AsCall().Args()[0])
	at := n.row.index(field)
	if !ok || at < 0 || !isText(n.row.columns[at].Type.Kind) {
		return part{}, false
	}
	return part{column: at, literal: s}, true
}

// isText reports whether the bytes of a kind are what CEL sees as its text.
func isText(k cdc.Kind) bool { return k == cdc.String || k == cdc.Decimal }

func (n native) textColumn(e ast.Expr) int {
	at := column(e, n.row)
	if at < 0 || !isText(n.row.columns[at].Type.Kind) {
		return -1
	}
	return at
}

// parts compiles a concatenation of texts, or returns nil.
func (n native) parts(e ast.Expr) []part {
	if p, ok := n.part(e); ok {
		return []part{p}
	}
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.Add {
		return nil
	}
	left := n.parts(e.AsCall().Args()[0])
	right := n.parts(e.AsCall().Args()[1])
	if left == nil || right == nil {
		return nil
	}
	return append(left, right...)
}
