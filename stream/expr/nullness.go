package expr

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/freshet/freshet/cdc"
)

// nullness tells whether a value, or an element of a list, may be null.
type nullness struct{ value, element bool }

func (n nullness) or(m nullness) nullness {
	return nullness{n.value || m.value, n.element || m.element}
}

// facts are the paths that are known not to be null where an expression stands.
type facts []string

func (f facts) with(more []string) facts { return append(slices.Clip(f), more...) }

// without forgets what was known of a name that now means something else.
func (f facts) without(name string) facts {
	return slices.DeleteFunc(slices.Clone(f), func(path string) bool {
		return path == name || strings.HasPrefix(path, name+".")
	})
}

// nullCheck follows guards through a checked expression and finds the places where a null would be
// taken for a value.
type nullCheck struct {
	*source
	types  map[int64]*types.Type
	shapes *shapes
	faults []error
	told   map[string]bool // one fault per value is enough

	condition ast.Expr // the comparison or the like that is being visited, which a guard goes before
}

type scope map[string]nullness // variables of macros

func (s scope) with(name string, n nullness) scope {
	if name == "" {
		return s
	}
	inner := make(scope, len(s)+1)
	for k, v := range s {
		inner[k] = v
	}
	inner[name] = n
	return inner
}

// of tells what an expression may yield, given what is known where it stands.
func (c *nullCheck) of(e ast.Expr, known facts, vars scope) nullness {
	switch e.Kind() {
	case ast.LiteralKind:
		return nullness{value: e.AsLiteral() == types.NullValue}
	case ast.IdentKind:
		n := vars[e.AsIdent()]
		n.value = n.value && !slices.Contains(known, e.AsIdent())
		return n
	case ast.SelectKind:
		return c.selected(e, known, vars)
	case ast.CallKind:
		outer := c.condition
		if t := c.types[e.ID()]; outer == nil && t != nil && t.Kind() == types.BoolKind && !isChain(e) {
			c.condition = e
		}
		n := c.call(e, known, vars)
		c.condition = outer
		return n
	case ast.ListKind:
		var n nullness
		for _, x := range e.AsList().Elements() {
			n.element = c.of(x, known, vars).value || n.element
		}
		return n
	case ast.MapKind:
		for _, x := range e.AsMap().Entries() {
			c.needed(x.AsMapEntry().Key(), e, known, vars)
			c.of(x.AsMapEntry().Value(), known, vars)
		}
	case ast.ComprehensionKind:
		outer := c.condition
		c.condition = nil
		n := c.comprehension(e.AsComprehension(), e, known, vars)
		c.condition = outer
		return n
	}
	return nullness{}
}

// needed visits an expression whose value must not be null.
func (c *nullCheck) needed(e, around ast.Expr, known facts, vars scope) nullness {
	n := c.of(e, known, vars)
	if n.value {
		c.misuse(e, around)
	}
	return n
}

func (c *nullCheck) selected(e ast.Expr, known facts, vars scope) nullness {
	operand := e.AsSelect().Operand()
	c.needed(operand, e, known, vars)
	if e.AsSelect().IsTestOnly() {
		return nullness{}
	}
	n := c.field(operand, e.AsSelect().FieldName())
	n.value = n.value && !slices.Contains(known, path(e))
	return n
}

// field tells what the schema says of a field.
func (c *nullCheck) field(operand ast.Expr, name string) nullness {
	t := c.types[operand.ID()]
	if t == nil || t.Kind() != types.StructKind {
		return nullness{}
	}
	sh := c.shapes.byName[t.TypeName()]
	if sh == nil {
		return nullness{}
	}
	i := sh.index(name)
	if i < 0 {
		return nullness{}
	}
	ct := sh.columns[i].Type
	return nullness{value: ct.Nullable, element: ct.Kind == cdc.List && ct.Elem.Nullable}
}

func (c *nullCheck) call(e ast.Expr, known facts, vars scope) nullness {
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		return c.chain(e, args, true, known, vars)
	case operators.LogicalOr:
		return c.chain(e, args, false, known, vars)
	case operators.Conditional:
		c.needed(args[0], e, known, vars)
		yes := c.of(args[1], known.with(c.when(args[0], true)), vars)
		return yes.or(c.of(args[2], known.with(c.when(args[0], false)), vars))
	case operators.Equals, operators.NotEquals:
		c.of(args[0], known, vars)
		c.of(args[1], known, vars)
		return nullness{}
	case operators.In:
		c.of(args[0], known, vars)
		c.needed(args[1], e, known, vars)
		return nullness{}
	case operators.OptSelect:
		c.needed(args[0], e, known, vars)
		return nullness{}
	case operators.Index:
		n := c.needed(args[0], e, known, vars)
		c.needed(args[1], e, known, vars)
		return nullness{value: n.element}
	case "dyn", "type", "optional.of", "optional.ofNonZeroValue":
		return c.of(args[0], known, vars)
	case "orValue", "or":
		c.of(call.Target(), known, vars)
		return c.of(args[0], known, vars)
	}
	var n nullness
	if call.IsMemberFunction() {
		n = n.or(c.needed(call.Target(), e, known, vars))
	}
	for _, a := range args {
		n = n.or(c.needed(a, e, known, vars))
	}
	return nullness{element: n.element}
}

// chain visits the operands of && or ||, each knowing what those before it say.
func (c *nullCheck) chain(e ast.Expr, args []ast.Expr, when bool, known facts, vars scope) nullness {
	for _, a := range args {
		c.needed(a, e, known, vars)
		known = known.with(c.when(a, when))
	}
	return nullness{}
}

// comprehension visits an expanded macro. One pass is enough, as macros only add to the accumulator and
// never look into it; more would multiply where macros are nested.
func (c *nullCheck) comprehension(m ast.ComprehensionExpr, e ast.Expr, known facts, vars scope) nullness {
	r := c.needed(m.IterRange(), e, known, vars)
	accu := c.of(m.AccuInit(), known, vars)
	inner := known.without(m.IterVar()).without(m.AccuVar())
	if m.HasIterVar2() {
		inner = inner.without(m.IterVar2())
		vars = vars.with(m.IterVar2(), nullness{value: r.element})
		r.element = false
	}
	loop := vars.with(m.IterVar(), nullness{value: r.element})
	loop = loop.with(m.AccuVar(), accu)
	c.of(m.LoopCondition(), inner, loop)
	accu = accu.or(c.of(m.LoopStep(), inner, loop))
	return c.of(m.Result(), known.without(m.AccuVar()), vars.with(m.AccuVar(), accu))
}

// when lists the paths that are not null where e has the value given.
func (c *nullCheck) when(e ast.Expr, value bool) []string {
	if e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly() && value {
		if p := path(e.AsSelect().Operand()); p != "" {
			return []string{p + "." + e.AsSelect().FieldName()}
		}
		return nil
	}
	if e.Kind() != ast.CallKind {
		return nil
	}
	args := e.AsCall().Args()
	switch name := e.AsCall().FunctionName(); name {
	case operators.LogicalNot:
		return c.when(args[0], !value)
	case operators.LogicalAnd, operators.LogicalOr:
		if value == (name == operators.LogicalAnd) {
			return c.all(args, value)
		}
		return c.common(args, value)
	case operators.Equals, operators.NotEquals:
		equal := value == (name == operators.Equals)
		return append(compared(args[0], args[1], equal), compared(args[1], args[0], equal)...)
	case operators.In:
		if p := path(args[0]); p != "" && value && allValues(args[1]) {
			return []string{p}
		}
	case "hasValue":
		if operand, field, ok := selection(e.AsCall().Target()); ok && value && path(operand) != "" {
			return []string{path(operand) + "." + field}
		}
	}
	return nil
}

func (c *nullCheck) all(args []ast.Expr, value bool) []string {
	var paths []string
	for _, a := range args {
		paths = append(paths, c.when(a, value)...)
	}
	return paths
}

func (c *nullCheck) common(args []ast.Expr, value bool) []string {
	paths := c.when(args[0], value)
	for _, a := range args[1:] {
		other := c.when(a, value)
		paths = slices.DeleteFunc(paths, func(p string) bool { return !slices.Contains(other, p) })
	}
	return paths
}

// compared tells what `x == y` or `x != y` says of x.
func compared(x, y ast.Expr, equal bool) []string {
	p := path(x)
	if p == "" || y.Kind() != ast.LiteralKind {
		return nil
	}
	if isNull := y.AsLiteral() == types.NullValue; isNull != equal {
		return []string{p}
	}
	return nil
}

// allValues reports whether an expression is a list of literals without null.
func allValues(e ast.Expr) bool {
	if e.Kind() != ast.ListKind {
		return false
	}
	for _, x := range e.AsList().Elements() {
		if x.Kind() != ast.LiteralKind || x.AsLiteral() == types.NullValue {
			return false
		}
	}
	return true
}

// path writes a variable or a chain of fields, or "" for anything else.
func path(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.SelectKind:
		if p := path(e.AsSelect().Operand()); p != "" && !e.AsSelect().IsTestOnly() {
			return p + "." + e.AsSelect().FieldName()
		}
	}
	return ""
}

// misuse reports a null that would be taken for a value, and shows the guard.
func (c *nullCheck) misuse(e, around ast.Expr) {
	text := c.print(e)
	if c.told[text] {
		return
	}
	c.told[text] = true
	hint := "give a value for null, or compare with null first"
	if p := path(e); p != "" {
		if c.condition != nil {
			around = c.condition
		}
		hint = "guard it: " + p + " != null && " + c.print(around)
		t := c.types[around.ID()]
		if isBool := t != nil && t.Kind() == types.BoolKind; !isBool || isChain(around) {
			dot, literal := strings.LastIndexByte(p, '.'), standIn(e, c.types[e.ID()], around)
			switch {
			case literal == "" && isBool:
				hint = "guard it: " + p + " != null && …"
			case literal != "" && dot >= 0:
				hint = "give a value for null: " + p[:dot] + ".?" + p[dot+1:] + ".orValue(" + literal + ")"
			default:
				hint = "guard it: " + p + " != null ? … : …"
			}
		}
	}
	if e.Kind() == ast.LiteralKind {
		hint = "null can only be compared, by == and !="
	}
	c.faults = append(c.faults, c.problem("null_misuse", c.fieldOffset(e.ID()), text+" may be null here", hint))
}

// isChain reports whether e joins conditions, so that a guard belongs inside it.
func isChain(e ast.Expr) bool {
	if e.Kind() != ast.CallKind {
		return false
	}
	switch e.AsCall().FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
		return true
	}
	return false
}

// standIn is a literal that may take the place of e in what stands around it: double("") is no number.
func standIn(e ast.Expr, t *types.Type, around ast.Expr) string {
	if t == nil {
		return ""
	}
	literal := zero(plainTypes(t.TypeName()))
	if literal != `""` || around.Kind() != ast.CallKind || len(around.AsCall().Args()) != 1 || around.AsCall().Args()[0].ID() != e.ID() {
		return literal
	}
	switch around.AsCall().FunctionName() {
	case "double", "int":
		return `"0"`
	}
	return literal
}

// zero is a literal of a type, which is written as plainTypes does, to show where a default goes; "" where there is none.
func zero(of string) string {
	of, _, _ = strings.Cut(of, "(")
	switch of {
	case "bool":
		return "false"
	case "int":
		return "0"
	case "double":
		return "0.0"
	case "string":
		return `""`
	case "bytes":
		return `b""`
	case "list":
		return "[]"
	case "timestamp":
		return `timestamp("1970-01-01T00:00:00Z")`
	}
	return ""
}
