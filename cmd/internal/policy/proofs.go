package policy

import (
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// Failable asks every test to be able to fail: it must use its *testing.T for more than logging, or hand it on.
func Failable(h *House) []Finding {
	var findings []Finding
	for _, s := range h.written() {
		for _, decl := range s.Syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !s.Test || !isTest(f) {
				continue
			}
			if !canFail(f) {
				findings = append(findings, h.at(s, f.Pos(), f.Name.Name+" cannot fail", "compare what it got with what it wants"))
			}
			if skipsMutely(f.Body) {
				findings = append(findings, h.at(s, f.Pos(), f.Name.Name+" skips without a reason", "give Skip the reason and how to run it"))
			}
		}
	}
	return findings
}

// isTest reports whether `go test` runs a function with a *testing.T. A fuzz test
// fails by a panic at least.
func isTest(f *ast.FuncDecl) bool {
	if f.Recv != nil || f.Body == nil || f.Type.Params.NumFields() != 1 || len(f.Type.Params.List[0].Names) != 1 {
		return false
	}
	return strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain"
}

// canFail reports whether a test uses a tester for more than the idle calls, or hands one on.
func canFail(f *ast.FuncDecl) bool {
	testers := testersOf(f)
	failing := make(map[token.Pos]bool)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			return false // a parameter's declaration is no use of it
		case *ast.SelectorExpr:
			if ident, ok := n.X.(*ast.Ident); ok && testers[ident.Name] && slices.Contains(idle(), n.Sel.Name) {
				return false
			}
		case *ast.Ident:
			failing[n.Pos()] = testers[n.Name]
		}
		return true
	})
	return slices.Contains(slices.Collect(maps.Values(failing)), true)
}

// testersOf names the parameters of a test and of its closures through which it can fail.
func testersOf(f *ast.FuncDecl) map[string]bool {
	testers := make(map[string]bool)
	ast.Inspect(f, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		shape := field.Type
		if star, ok := shape.(*ast.StarExpr); ok {
			shape = star.X
		}
		if isSelector(shape, "testing", "T") || isSelector(shape, "testing", "TB") || isSelector(shape, "rapid", "T") {
			for _, name := range field.Names {
				testers[name.Name] = true
			}
		}
		return true
	})
	return testers
}

// idle lists the methods of a tester that cannot fail a test.
func idle() []string {
	return []string{
		"Chdir", "Cleanup", "Context", "Helper", "Log", "Logf", "Name", "Parallel", "Run", "Setenv", "Skip", "SkipNow", "Skipf", "TempDir",
	}
}

func skipsMutely(body ast.Node) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if ok && (selector.Sel.Name == "SkipNow" || selector.Sel.Name == "Skip" && len(call.Args) == 0) {
			if ident, ok := selector.X.(*ast.Ident); ok && len(ident.Name) <= 2 {
				found = true
			}
		}
		return true
	})
	return found
}
