package expr

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/parser"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// source is the text of an expression with what is needed to point into it.
type source struct {
	text  string
	field string
	info  *ast.SourceInfo
	row   *shape
}

func quoted(s string) string { return strconv.Quote(s) }

// problem makes a fault at a byte offset.
func (s *source) problem(code string, offset int, message, hint string) *stream.Problem {
	return &stream.Problem{Code: code, Field: s.field, Offset: offset, Message: message, Hint: hint}
}

// bytesAt turns an offset in code points, as CEL counts, into one in bytes.
func (s *source) bytesAt(runes int) int {
	at := 0
	for ; runes > 0 && at < len(s.text); runes-- {
		_, size := utf8.DecodeRuneInString(s.text[at:])
		at += size
	}
	return at
}

// offset is where CEL says that a node is: of a call its operator or parenthesis, of a selection its dot.
func (s *source) offset(id int64) int {
	r, ok := s.info.GetOffsetRange(id)
	if !ok {
		return 0
	}
	return s.bytesAt(int(r.Start))
}

// fieldOffset is offset, but of a selection the place of the field's name.
func (s *source) fieldOffset(id int64) int {
	at := s.offset(id)
	if at < len(s.text) && s.text[at] == '.' {
		at++
		for at < len(s.text) && strings.IndexByte("? \t\r\n", s.text[at]) >= 0 {
			at++
		}
	}
	return at
}

// print writes a part of the expression.
func (s *source) print(e ast.Expr) string {
	text, err := parser.Unparse(e, s.info)
	if err != nil {
		return "this"
	}
	return text
}

// located is the byte offset of a fault: CEL gives a line and a column in code points.
func (s *source) located(e *cel.Error) int {
	if s.info != nil && e.ExprID != 0 {
		if _, ok := s.info.GetOffsetRange(e.ExprID); ok {
			return s.fieldOffset(e.ExprID)
		}
	}
	line, at := e.Location.Line(), 0
	for ; line > 1; line-- {
		next := strings.IndexByte(s.text[at:], '\n')
		if next < 0 {
			break
		}
		at += next + 1
	}
	return min(len(s.text), at+(&source{text: s.text[at:]}).bytesAt(max(0, e.Location.Column())))
}

// syntax words the faults of parsing. The first is told: those behind it are mostly its echoes.
func (s *source) syntax(iss *cel.Issues) error {
	e := iss.Errors()[0]
	message := strings.TrimPrefix(e.Message, "Syntax error: ")
	at := s.located(e)
	hint := "check the expression near " + quoted(excerpt(s.text, at))
	switch {
	case strings.TrimSpace(s.text) == "":
		at, message, hint = 0, "the expression is empty", "write an expression, such as row."+s.example()
	case strings.HasPrefix(s.text[at:], "="):
		message, hint = "= cannot stand here", "equality is written =="
	case strings.Contains(message, "token recognition"):
		message, hint = "this is not understood", "texts are quoted on both ends by ' or \"; "+hint
	case at >= len(strings.TrimRight(s.text, " \t\r\n")):
		message, hint = "the expression ends too early", "complete it after "+quoted(excerpt(s.text, max(0, at-1)))
	case strings.HasPrefix(message, "mismatched input"), strings.HasPrefix(message, "extraneous input"),
		strings.HasPrefix(message, "no viable alternative"):
		message = "this cannot stand here: " + excerpt(s.text[at:], 0)
	}
	return s.problem("expression_syntax", at, message, hint)
}

// example is a column to show in hints.
func (s *source) example() string {
	if len(s.row.columns) > 0 {
		return s.row.columns[0].Name
	}
	return "column"
}

// excerpt is some of the text around an offset.
func excerpt(text string, at int) string {
	from, to := max(0, at-12), min(len(text), at+12)
	for from > 0 && !utf8.RuneStart(text[from]) {
		from--
	}
	for to < len(text) && !utf8.RuneStart(text[to]) {
		to++
	}
	return text[from:to]
}

var (
	overloadFault = regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`)
	undeclared    = regexp.MustCompile(`^undeclared reference to '([^']*)'(?: \(did you mean '([^']*)'\?\))?`)
	undefined     = regexp.MustCompile(`^undefined field '([^']*)'`)
	wrapper       = regexp.MustCompile(`wrapper\(((?:[^()]|\([^()]*\))*)\)`)
)

// plainTypes writes CEL's types as this package's documents do.
func plainTypes(text string) string {
	for wrapper.MatchString(text) {
		text = wrapper.ReplaceAllString(text, "$1")
	}
	return strings.NewReplacer("optional_type(", "optional(", "google.protobuf.Timestamp", "timestamp",
		"google.protobuf.Duration", "duration", rowType, rowVariable).Replace(text)
}

// mistyped words the faults of the type check.
func (s *source) mistyped(iss *cel.Issues) error {
	var faults []error
	seen := map[int]bool{}
	for _, e := range iss.Errors() {
		at := s.located(e)
		if seen[at] {
			continue
		}
		seen[at] = true
		faults = append(faults, s.typeFault(e, at))
	}
	return errors.Join(faults...)
}

func (s *source) typeFault(e *common.Error, at int) error {
	if m := overloadFault.FindStringSubmatch(e.Message); m != nil {
		return s.overload(m[1], plainTypes(m[2]), at)
	}
	if m := undeclared.FindStringSubmatch(e.Message); m != nil {
		return s.undeclared(m[1], m[2], at)
	}
	if m := undefined.FindStringSubmatch(e.Message); m != nil {
		return s.problem("unknown_column", at, "there is no field "+quoted(m[1]), "check the name of the field")
	}
	hint := "check the types of the columns: " + s.typed()
	switch e.Message {
	case "invalid matches argument":
		hint = "check the regular expression; its syntax is RE2"
	case "invalid timestamp argument":
		hint = "write the time as 2024-01-31T00:00:00Z"
	case "invalid duration argument":
		hint = "write the duration as 90s or 1h30m"
	}
	return s.problem("expression_type", at, plainTypes(e.Message), hint)
}

func (s *source) undeclared(name, near string, at int) error {
	names := s.row.names()
	if slices.Contains(names, name) {
		return s.problem("unknown_column", at, quoted(name)+" is not known", "columns are written row."+name)
	}
	if s.called(at, name) {
		hint := "see the list of functions in the guide to expressions"
		if near != "" {
			hint = "did you mean " + quoted(near) + "?"
		}
		return s.problem("expression_type", at, "there is no function "+quoted(name), hint)
	}
	if column := stream.Nearest(name, names); column != "" && near != rowVariable {
		return s.problem("unknown_column", at, quoted(name)+" is not known", "did you mean row."+column+"?")
	}
	return s.problem("unknown_column", at, quoted(name)+" is not known",
		"the only variable is row: write row."+s.example()+", and texts in quotes")
}

// called reports whether the fault at an offset is about a function: CEL places it at the parenthesis.
func (s *source) called(at int, name string) bool {
	return !strings.HasPrefix(s.text[at:], name)
}

// overload words operands that do not fit together.
func (s *source) overload(function, args string, at int) error {
	operands := splitTypes(strings.TrimSuffix(strings.TrimPrefix(args, "("), ")"))
	name := function
	if strings.Trim(function, "_") != function || strings.ContainsAny(function, "!-@?") {
		name = strings.NewReplacer("_?_:_", "? :", "_[_]", "[ ]", "@in", "in", "_", "").Replace(function)
	}
	if target, list, isMember := strings.Cut(args, ".("); isMember {
		operands = []string{target}
		if list = strings.TrimSuffix(list, ")"); list != "" {
			operands = append(operands, splitTypes(list)...)
		}
	}
	said := fmt.Sprintf("%s does not take %s", name, strings.Join(operands, " and "))
	if slices.Contains(operands, "null") {
		return s.problem("null_misuse", at, said, "null can only be compared, by == and !=, with a column")
	}
	return s.problem("expression_type", at, said, s.overloadHint(name, operands, at))
}

func (s *source) overloadHint(name string, operands []string, at int) string {
	texts, numbers := 0, 0
	for _, o := range operands {
		switch o {
		case "string":
			texts++
		case "int", "double", "uint":
			numbers++
		}
	}
	decimals := s.columnsOf(cdc.Decimal)
	switch {
	case name == "orValue" && len(operands) == 2:
		return s.defaultHint(operands[0], at)
	case texts == 1 && numbers == 1 && decimals != "" && (name == "==" || name == "!="):
		return "a decimal reads as text: write " + s.asNumber(decimals) + ", or give a text to compare with"
	case name == "? :" && operands[0] != "bool":
		return "what stands before ? is a condition: compare the value, such as row.size > 0"
	case texts > 0 && texts+numbers == len(operands) && decimals != "" && !isWord(name):
		return "a decimal reads as text: write " + s.asNumber(decimals)
	case name == "+" && texts == 1 && len(operands) == 2:
		return "join texts only: write string(…) around the other operand"
	case name == "&&" || name == "||" || name == "!":
		return "conditions are joined by &&, || and !: compare the value first, such as row.size > 0"
	case name == "? :" && len(operands) == 3 && operands[0] == "bool":
		return "both results need one type: convert one by string(…), int(…) or double(…)"
	case texts+numbers == 2 && isComparison(name):
		return "compare values of one type: write string(…), int(…) or double(…) around one of them"
	case numbers == 2 && !isWord(name):
		return "calculate with one type: write double(…) or int(…) around one of them"
	case texts == 1 && len(operands) == 2 && strings.HasPrefix(operands[0], "list("):
		return `whether a list has a text is asked by in: "…" in row.` + cmp.Or(s.columnsOf(cdc.List), "column")
	case slices.Contains(operands, "timestamp") && texts == 1:
		return `write timestamp("2024-01-31T00:00:00Z") for a time`
	case slices.Contains(operands, "timestamp") && numbers == 1:
		return `write timestamp("2024-01-31T00:00:00Z") for a time, duration("24h") for a span, and getFullYear() for the number of a year`
	case slices.Contains(operands, "duration") && numbers+texts == 1:
		return `write duration("90s") or duration("1h30m") for a span of time`
	case len(operands) == 2 && operands[0] == rowVariable:
		return "columns are written row." + s.example()
	}
	return "check the types of the columns: " + s.typed()
}

// defaulted is a column that is given a value for nothing.
var defaulted = regexp.MustCompile(`\.\s*\??\s*(\w+)\s*\.\s*orValue`)

// defaultHint shows a value for nothing that fits. An optional reads as "optional(int)"; what is none lacks its question mark.
func (s *source) defaultHint(operand string, at int) string {
	name := ""
	for _, m := range defaulted.FindAllStringSubmatchIndex(s.text, -1) {
		if m[0] <= at {
			name = s.text[m[2]:m[3]]
		}
	}
	of, optional := strings.CutPrefix(operand, "optional(")
	i, value := s.row.index(name), zero(strings.TrimSuffix(of, ")"))
	switch {
	case i >= 0 && s.row.columns[i].Type.Kind == cdc.Decimal:
		return `a decimal reads as text: write double(row.?` + name + `.orValue("0"))`
	case i >= 0 && !optional && value != "":
		return "a column that may be missing is read with ?: write row.?" + name + ".orValue(" + value + ")"
	case value != "":
		return "what stands for nothing is of the same type: write orValue(" + value + ")"
	}
	return "what stands for nothing is of the same type: " + strings.TrimSuffix(of, ")")
}

// asNumber makes a number of a column that reads as text.
func (s *source) asNumber(column string) string {
	if strings.Contains(s.text, "?"+column) {
		return "double(" + rowVariable + ".?" + column + `.orValue("0"))`
	}
	return "double(" + rowVariable + "." + column + ")"
}

func isComparison(operator string) bool {
	return slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, operator)
}

// isWord reports whether a function has a name, and is no operator.
func isWord(name string) bool { return name != "in" && name[0] >= 'A' }

// columnsOf is the first column of a kind that the source names, or "".
func (s *source) columnsOf(kind cdc.Kind) string {
	for _, c := range s.row.columns {
		if c.Type.Kind == kind && s.mentions(c.Name) {
			return c.Name
		}
	}
	return ""
}

// mentions reports whether the source names a column: row.name or row.?name.
func (s *source) mentions(name string) bool {
	for from := 0; ; {
		at := strings.Index(s.text[from:], name)
		if at < 0 {
			return false
		}
		before, after := strings.TrimRight(s.text[:from+at], "? \t\r\n"), s.text[from+at+len(name):]
		next, _ := utf8.DecodeRuneInString(after)
		if strings.HasSuffix(before, ".") && strings.HasSuffix(strings.TrimRight(before[:len(before)-1], " \t\r\n"), rowVariable) &&
			next != '_' && !unicode.IsLetter(next) && !unicode.IsDigit(next) {
			return true
		}
		from += at + 1
	}
}

// typed lists the columns that the source names, with their types.
func (s *source) typed() string {
	var parts []string
	for _, c := range s.row.columns {
		if s.mentions(c.Name) {
			parts = append(parts, c.Name+" is "+c.Type.String())
		}
	}
	if len(parts) == 0 {
		return "none is read"
	}
	return strings.Join(parts, ", ")
}

// splitTypes splits at the commas that are outside parentheses.
func splitTypes(list string) []string {
	var parts []string
	depth, from := 0, 0
	for i := range len(list) {
		switch list[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, strings.TrimSpace(list[from:i]))
				from = i + 1
			}
		}
	}
	return append(parts, strings.TrimSpace(list[from:]))
}
