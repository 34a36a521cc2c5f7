package policy

import (
	"go/ast"
	"go/token"
	"maps"
	"slices"
)

// Imported forbids what happens when a package is merely imported: init functions, blank imports and dot imports.
func Imported(h *House) []Finding {
	var findings []Finding
	for _, s := range h.written() {
		for _, decl := range s.Syntax.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				findings = append(findings, h.at(s, f.Pos(), "func init", "make it a literal, or a call in main"))
			}
		}
		for _, spec := range s.Syntax.Imports {
			if spec.Name == nil {
				continue
			}
			switch {
			case spec.Name.Name == ".":
				findings = append(findings, h.at(s, spec.Pos(), "dot import", "name the package where its names are used"))
			case spec.Name.Name == "_" && spec.Path.Value != `"embed"`:
				findings = append(findings, h.at(s, spec.Pos(), "blank import", "register by a literal map in cmd/freshet"))
			}
		}
	}
	return findings
}

// Globals forbids package variables that change: assignments to them, and types that exist to be changed.
func Globals(h *House) []Finding {
	var findings []Finding
	for _, room := range h.rooms() {
		var files []*Source
		for _, s := range h.product() {
			if s.Room == room {
				files = append(files, s)
			}
		}
		variables := make(map[string]bool)
		for _, s := range files {
			for spec := range packageVariables(s.Syntax) {
				for _, name := range spec.Names {
					variables[name.Name] = name.Name != "_"
				}
				if kind := changing(spec); kind != "" {
					findings = append(findings, h.at(s, spec.Pos(), spec.Names[0].Name+" is a package variable of type "+kind,
						"make it a field of the value that owns it"))
				}
			}
		}
		for _, s := range files {
			findings = append(findings, h.assignments(s, variables)...)
		}
	}
	return findings
}

func packageVariables(file *ast.File) func(yield func(*ast.ValueSpec) bool) {
	return func(yield func(*ast.ValueSpec) bool) {
		for _, decl := range file.Decls {
			d, ok := decl.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				if !yield(spec.(*ast.ValueSpec)) {
					return
				}
			}
		}
	}
}

// changing names the type of a variable that makes sense only when it changes. A sync.Pool holds nothing
// that anybody could tell, and a sync.OnceValue nothing that ever differs.
func changing(spec *ast.ValueSpec) string {
	kinds := map[string][]string{
		"sync":   {"Mutex", "RWMutex", "Map", "WaitGroup", "Once"},
		"atomic": {"Bool", "Int32", "Int64", "Uint32", "Uint64", "Uintptr", "Value", "Pointer"},
	}
	shape := spec.Type
	if shape == nil && len(spec.Values) > 0 {
		if literal, ok := spec.Values[0].(*ast.CompositeLit); ok {
			shape = literal.Type
		}
	}
	if generic, ok := shape.(*ast.IndexExpr); ok {
		shape = generic.X
	}
	for _, pkg := range slices.Sorted(maps.Keys(kinds)) {
		for _, name := range kinds[pkg] {
			if isSelector(shape, pkg, name) {
				return pkg + "." + name
			}
		}
	}
	return ""
}

// assignments finds where functions of a file change the variables of its package.
func (h *House) assignments(s *Source, variables map[string]bool) []Finding {
	var findings []Finding
	check := func(target ast.Expr) {
		ident := rootIdent(target)
		// The parser binds local names. What it left unbound belongs to the package or to the language.
		if ident == nil || !variables[ident.Name] || ident.Obj != nil && ident.Obj.Pos() != token.NoPos && !atPackageLevel(s, ident) {
			return
		}
		findings = append(findings, h.at(s, target.Pos(), "assignment to the package variable "+ident.Name,
			"make it a field of the value that owns it"))
	}
	for _, decl := range s.Syntax.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, target := range n.Lhs {
						check(target)
					}
				}
			case *ast.IncDecStmt:
				check(n.X)
			}
			return true
		})
	}
	return findings
}

// atPackageLevel reports whether the parser bound an identifier to a declaration outside of every function.
func atPackageLevel(s *Source, ident *ast.Ident) bool {
	return s.Syntax.Scope.Lookup(ident.Name) == ident.Obj
}

// rootIdent gives the variable that an assignment reaches into: x of x[i].f.
func rootIdent(e ast.Expr) *ast.Ident {
	for {
		switch t := e.(type) {
		case *ast.Ident:
			return t
		case *ast.IndexExpr:
			e = t.X
		case *ast.SelectorExpr:
			e = t.X
		case *ast.StarExpr:
			e = t.X
		case *ast.ParenExpr:
			e = t.X
		default:
			return nil
		}
	}
}
