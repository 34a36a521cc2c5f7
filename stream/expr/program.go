package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/freshet/freshet/cdc"
)

// Options say what is wanted of an expression. The zero value takes any type.
type Options struct {
	// Want are the kinds that the result may have; none: any. A column that only reads as a wanted kind
	// (a decimal where a text is wanted) is converted to it.
	Want []cdc.Kind
	// Field is the key of the configuration that faults name.
	Field string
	// Cost bounds the work for one row of an expression whose work may grow faster than the row, in CEL's
	// units (about one per operation and per ten bytes of text looked at); default DefaultCost.
	Cost uint64
}

// DefaultCost is the work that an expression may do for one row: enough to look a hundred times at a
// text of 4 MB, and stopped within about a second when nested macros multiply.
const DefaultCost = 100_000_000

// Program is a checked expression. It is immutable and safe for concurrent use.
type Program struct {
	text   string
	result cdc.Type
	reads  []string
	fields []int // columns that are read, by index
	shape  *shape

	column int // the column that the expression is, converted by nothing; -1: it is none
	where  condition
	parts  []part
	run    cel.Program
	views  *sync.Pool // of *activation
}

// Compile checks an expression against the schema of the rows that it will see. Faults are
// *stream.Problem, several joined.
func Compile(text string, in *cdc.Schema, o Options) (*Program, error) {
	env, shapes, err := environment(in)
	if err != nil {
		return nil, err
	}
	src := &source{text: text, field: o.Field, row: shapes.row()}
	parsed, iss := env.Parse(text)
	if iss.Err() != nil {
		return nil, src.syntax(iss)
	}
	src.info = parsed.NativeRep().SourceInfo()
	if faults := src.unknownColumns(parsed.NativeRep().Expr(), shapes.row()); len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	canonical, err := cel.AstToString(parsed)
	if err != nil {
		return nil, fmt.Errorf("print expression: %w", err)
	}
	presence(parsed.NativeRep().Expr(), shapes.row())
	checked, iss := env.Check(parsed)
	if iss.Err() != nil {
		return nil, src.mistyped(iss)
	}
	root := checked.NativeRep()
	src.info = root.SourceInfo()
	check := &nullCheck{source: src, types: root.TypeMap(), shapes: shapes, told: map[string]bool{}}
	null := check.of(root.Expr(), nil, nil)
	if faults := slices.Concat(check.faults, src.strangers(root.Expr()), src.lettered(root.Expr())); len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	p := &Program{text: canonical, shape: shapes.row(), reads: reads(root.Expr(), shapes.row()),
		views: &sync.Pool{New: func() any { return new(activation) }}}
	for _, name := range p.reads {
		p.fields = append(p.fields, in.Index(name))
	}
	if err := p.typed(src, root, null, shapes, o.Want); err != nil {
		return nil, err
	}
	return p, p.build(src, env, checked, o.Cost)
}

// typed fixes the result's type and holds it against what is wanted.
func (p *Program) typed(src *source, root *ast.AST, null nullness, s *shapes, want []cdc.Kind) error {
	p.column = column(root.Expr(), p.shape)
	if p.column >= 0 {
		p.result = p.shape.columns[p.column].Type
		if len(want) == 0 || slices.Contains(want, p.result.Kind) {
			return nil
		}
		if !isText(p.result.Kind) {
			p.column = -1
		}
	}
	t := root.GetType(root.Expr().ID())
	var ok bool
	if p.result, ok = resultType(t, null, s); !ok {
		return src.problem("expression_type", 0, "the result is "+plainTypes(typeName(t))+", which no column holds",
			resultHint(t))
	}
	if len(want) > 0 && !slices.Contains(want, p.result.Kind) {
		names := make([]string, len(want))
		for i, k := range want {
			names[i] = k.String()
		}
		wanted := strings.Join(names, " or ")
		return src.problem("expression_type", 0, fmt.Sprintf("the expression is %s, not %s", article(p.result), wanted),
			wantHint(src, p.result, want))
	}
	return nil
}

func article(t cdc.Type) string { return "of type " + t.String() }

func typeName(t *types.Type) string {
	if t.Kind() == types.NullTypeKind {
		return "always null"
	}
	return "of type " + t.String()
}

func resultHint(t *types.Type) string {
	switch {
	case t.Kind() == types.NullTypeKind:
		return "give an expression that has values"
	case t.TypeName() == "optional_type":
		return "say what stands for nothing: end it with .orValue(…)"
	case t.Kind() == types.UintKind:
		return "write int(…) around it"
	case t.Kind() == types.DurationKind:
		return "write int(…) around it for seconds, or string(…)"
	case t.Kind() == types.ListKind:
		return "give the list an element, so that it has a type"
	}
	return "give a text, number, bool, time, list or json"
}

func wantHint(src *source, t cdc.Type, want []cdc.Kind) string {
	switch {
	case slices.Contains(want, cdc.Bool) && (t.Kind == cdc.Int64 || t.Kind == cdc.Float64):
		return "compare it, such as " + src.text + " > 0"
	case slices.Contains(want, cdc.Bool) && t.Kind == cdc.String:
		return `compare it, such as ` + src.text + ` == "…"`
	case slices.Contains(want, cdc.Bool) && t.Kind == cdc.JSON:
		return "write bool(" + src.text + ")"
	case slices.Contains(want, cdc.Bool):
		return "write a condition, such as " + src.text + " != null"
	case slices.Contains(want, cdc.String) && (t.Kind == cdc.List || t.Kind == cdc.Vector):
		return `join a list of texts by .join(", ")`
	case slices.Contains(want, cdc.String):
		return "write string(" + src.text + ")"
	}
	return "check the types of the columns: " + src.typed()
}

// build compiles the natively evaluated form, and CEL's.
func (p *Program) build(src *source, env *cel.Env, checked *cel.Ast, bound uint64) error {
	n, root := native{row: p.shape}, checked.NativeRep().Expr()
	if p.result.Kind == cdc.Bool && p.column < 0 {
		p.where = n.condition(root)
	}
	if p.result.Kind == cdc.String && p.column < 0 {
		p.parts = n.parts(root)
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if multiplies(root) {
		// Counting triples the time of an evaluation, so that what cannot run away goes without.
		if bound == 0 {
			bound = DefaultCost
		}
		options = append(options, cel.CostLimit(bound))
	}
	run, err := env.Program(checked, options...)
	if err != nil {
		return src.problem("expression_type", 0, err.Error(), "check the constants in the expression")
	}
	p.run = run
	return nil
}

// multiplies reports whether the work may grow faster than the row: in macros, and where a text is put
// into a text.
func multiplies(e ast.Expr) (found bool) {
	walk(e, true, func(e ast.Expr, _ bool) bool {
		switch e.Kind() {
		case ast.ComprehensionKind:
			found = true
		case ast.CallKind:
			switch e.AsCall().FunctionName() {
			case "replace", "join", "split", "format", "strings.quote":
				found = true
			}
		}
		return !found
	})
	return found
}

// Type is that of the result.
func (p *Program) Type() cdc.Type { return p.result }

// Reads names the columns that the expression reads, in the order of the schema. The caller must not
// change the list.
func (p *Program) Reads() []string { return p.reads }

// Column names the column that the expression is, where it is nothing else.
func (p *Program) Column() (name string, ok bool) {
	if p.column < 0 {
		return "", false
	}
	return p.shape.columns[p.column].Name, true
}

// String is the expression in its canonical form: equal logic that is spaced, bracketed or quoted
// differently reads the same.
func (p *Program) String() string { return p.text }

// Logic is what a fingerprint covers: the canonical form, and the kinds of the columns read, as these
// decide what the form means.
func (p *Program) Logic() []byte {
	b := []byte(p.text)
	for i, at := range p.fields {
		b = append(b, '\n')
		b = append(b, p.reads[i]...)
		b = append(b, ' ')
		b = append(b, p.shape.columns[at].Type.NotNull().String()...)
	}
	return b
}

// ready reports whether every value read is in the row, so that the native path cannot go wrong.
func (p *Program) ready(row cdc.Row) bool {
	for _, at := range p.fields {
		if s := row.At(at).State; s == cdc.Unchanged || s == cdc.Reference {
			return false
		}
	}
	return true
}

// eval asks CEL.
func (p *Program) eval(row cdc.Row, use func(ref.Val) error) error {
	a := p.views.Get().(*activation)
	a.view = view{row: row, shape: p.shape}
	v, _, err := p.run.Eval(a)
	if err == nil {
		err = use(v) // the value may point into the activation
	}
	a.view = view{}
	p.views.Put(a)
	if err != nil {
		return fmt.Errorf("evaluate %s: %w", p.text, err)
	}
	return nil
}

// Bool evaluates a condition; null is false.
func (p *Program) Bool(row cdc.Row) (bool, error) {
	if p.column >= 0 && p.result.Kind == cdc.Bool {
		if v := row.At(p.column); v.State == cdc.Set || v.State == cdc.Null {
			return v.Bool(), nil
		}
	}
	if p.where != nil && p.ready(row) {
		return p.where(row), nil
	}
	holds := false
	err := p.eval(row, func(v ref.Val) error {
		if v == types.NullValue {
			return nil
		}
		b, ok := v.(types.Bool)
		if !ok {
			return fmt.Errorf("the result is a %s, not a bool", v.Type().TypeName())
		}
		holds = bool(b)
		return nil
	})
	return holds, err
}

// Text appends the text that the expression yields to dst; null tells that it yields none.
func (p *Program) Text(dst []byte, row cdc.Row) (text []byte, null bool, err error) {
	if p.column >= 0 && isText(p.result.Kind) {
		switch v := row.At(p.column); v.State {
		case cdc.Set:
			return append(dst, v.Raw...), false, nil
		case cdc.Null:
			return dst, true, nil
		}
	}
	if p.parts != nil && p.ready(row) {
		for i := range p.parts {
			dst = append(dst, p.parts[i].view(row)...)
		}
		return dst, false, nil
	}
	err = p.eval(row, func(v ref.Val) error {
		if null = v == types.NullValue; null {
			return nil
		}
		s, ok := v.(types.String)
		if !ok {
			return fmt.Errorf("the result is a %s, not a text", v.Type().TypeName())
		}
		dst = append(dst, s...)
		return nil
	})
	return dst, null, err
}

// TextView is Text without the copy where the expression is a column: then the text shares the row's
// memory. Otherwise it is built in buf, which is returned for the next call.
func (p *Program) TextView(buf []byte, row cdc.Row) (text, next []byte, null bool, err error) {
	if p.column >= 0 && isText(p.result.Kind) {
		switch v := row.At(p.column); v.State {
		case cdc.Set:
			return v.Raw, buf, false, nil
		case cdc.Null:
			return nil, buf, true, nil
		}
	}
	next, null, err = p.Text(buf[:0], row)
	return next, next, null, err
}

// AppendTo adds the result as the next field of a row. A column is passed on as it is, also where it
// is a reference.
func (p *Program) AppendTo(b *cdc.RowBuilder, row cdc.Row) error {
	if p.column >= 0 {
		b.Value(row.At(p.column))
		return nil
	}
	if p.where != nil && p.ready(row) {
		b.Bool(p.where(row))
		return nil
	}
	if p.parts != nil && p.ready(row) {
		a := p.views.Get().(*activation)
		a.text = a.text[:0]
		for i := range p.parts {
			a.text = append(a.text, p.parts[i].view(row)...)
		}
		b.Bytes(a.text)
		p.views.Put(a)
		return nil
	}
	return p.eval(row, func(v ref.Val) error { return appendResult(b, p.result, v) })
}

// Eval evaluates to a row of one field, for callers that look at single results.
func (p *Program) Eval(row cdc.Row) (cdc.Value, error) {
	var b cdc.RowBuilder
	if err := p.AppendTo(&b, row); err != nil {
		return cdc.Value{}, err
	}
	return b.Build().At(0), nil
}
