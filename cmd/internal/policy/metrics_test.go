package policy_test

import (
	"go/ast"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/policy"
)

// metric is what the code registers under a name.
type metric struct {
	labels    []string
	histogram bool
}

// metrics finds every metric that the code makes, wherever it is made: by its options, by its description, or by a
// function emit(kind, name, help, value, label, value, …) whose metrics carry the label flow besides.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	house, err := policy.ReadHouse(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]metric)
	note := func(name string, labels []string, histogram bool) {
		if !strings.HasPrefix(name, "freshet_") {
			return
		}
		m := found[name]
		m.labels, m.histogram = slices.Compact(slices.Sorted(slices.Values(append(m.labels, labels...)))), m.histogram || histogram
		found[name] = m
	}
	for _, s := range house.Sources {
		if s.Test || !strings.HasPrefix(s.Path, "cmd/freshet/") && !strings.HasPrefix(s.Path, "stream/") {
			continue
		}
		constant := labelSets(s.Syntax)
		ast.Inspect(s.Syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			switch called := nameOf(call.Fun); {
			case called == "emit" && len(call.Args) >= 4:
				labels := []string{"flow"}
				for i := 4; i < len(call.Args); i += 2 {
					labels = append(labels, literal(call.Args[i]))
				}
				note(literal(call.Args[1]), labels, false)
			case called == "NewDesc":
				note(literal(call.Args[0]), literals(call.Args[2]), false)
			case called == "MustNewConstHistogram":
				if described, ok := call.Args[0].(*ast.CallExpr); ok {
					note(literal(described.Args[0]), nil, true)
				}
			case strings.HasPrefix(called, "New"):
				options, ok := call.Args[0].(*ast.CompositeLit)
				if !ok || !strings.HasSuffix(nameOf(options.Type), "Opts") {
					return true
				}
				name, labels := "", []string(nil)
				for _, element := range options.Elts {
					pair, ok := element.(*ast.KeyValueExpr)
					if !ok {
						continue
					}
					switch nameOf(pair.Key) {
					case "Name":
						name = literal(pair.Value)
					case "ConstLabels":
						labels = append(constant[nameOf(pair.Value)], literals(pair.Value)...)
					}
				}
				if strings.HasSuffix(called, "Vec") {
					labels = append(labels, literals(call.Args[1])...)
				}
				note(name, labels, strings.Contains(called, "Histogram"))
			}
			return true
		})
	}
	return found
}

// labelSets are the variables of a file that hold labels, by their name.
func labelSets(file *ast.File) map[string][]string {
	sets := make(map[string][]string)
	ast.Inspect(file, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == 1 {
			if value, ok := a.Rhs[0].(*ast.CompositeLit); ok && nameOf(value.Type) == "Labels" {
				sets[nameOf(a.Lhs[0])] = literals(value)
			}
		}
		return true
	})
	return sets
}

// nameOf is the last name of an identifier or selector.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// literal is the value of a string that is written out.
func literal(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
		if value, err := strconv.Unquote(lit.Value); err == nil {
			return value
		}
	}
	return ""
}

// literals are the strings of a list, or the keys of a mapping.
func literals(e ast.Expr) []string {
	list, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	var values []string
	for _, element := range list.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			element = pair.Key
		}
		values = append(values, literal(element))
	}
	return values
}
