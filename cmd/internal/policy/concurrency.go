package policy

import (
	"go/ast"
	"go/token"
)

// Goroutines forbids the bare go statement: sync.WaitGroup.Go and errgroup.Group.Go leave somebody who waits.
func Goroutines(h *House) []Finding {
	var findings []Finding
	for _, s := range h.written() {
		ast.Inspect(s.Syntax, func(n ast.Node) bool {
			if statement, ok := n.(*ast.GoStmt); ok {
				findings = append(findings, h.at(s, statement.Pos(), "bare go statement",
					"start it with sync.WaitGroup.Go or errgroup.Group.Go in the call that waits for it"))
			}
			return true
		})
	}
	return findings
}

// Contexts forbids fields of type context.Context: a context bounds a call, an object is bounded by Close or Run.
// The cases of a table test are arguments of calls, and may hold one.
func Contexts(h *House) []Finding {
	var findings []Finding
	for _, s := range h.written() {
		ast.Inspect(s.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return !s.Test
			case *ast.StructType:
				for _, field := range n.Fields.List {
					if isSelector(field.Type, "context", "Context") {
						findings = append(findings, h.at(s, field.Pos(), "context.Context in a struct",
							"pass it as the first parameter of the calls that it bounds"))
					}
				}
			}
			return true
		})
	}
	return findings
}

// Channels forbids channels in what a package exports: signatures, fields and variables.
func Channels(h *House) []Finding {
	const fix = "offer a blocking call, a callback or an iterator"
	var findings []Finding
	for _, s := range h.product() {
		for _, decl := range s.Syntax.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if exportedFunc(d) && hasChannel(d.Type) {
					findings = append(findings, h.at(s, d.Pos(), d.Name.Name+" takes or returns a channel", fix))
				}
			case *ast.GenDecl:
				for _, name := range channelNames(d) {
					findings = append(findings, h.at(s, name.Pos(), name.Name+" is an exported channel", fix))
				}
			}
		}
	}
	return findings
}

// channelNames lists the exported variables, fields and interface methods of a declaration that show a channel.
func channelNames(d *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	collect := func(idents []*ast.Ident, shape ast.Expr) {
		if shape == nil || !hasChannel(shape) {
			return
		}
		for _, ident := range idents {
			if ident.IsExported() {
				names = append(names, ident)
			}
		}
	}
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			if d.Tok == token.VAR {
				collect(spec.Names, spec.Type)
			}
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			switch shape := spec.Type.(type) {
			case *ast.StructType:
				for _, field := range shape.Fields.List {
					collect(field.Names, field.Type)
				}
			case *ast.InterfaceType:
				for _, method := range shape.Methods.List {
					collect(method.Names, method.Type)
				}
			case *ast.ChanType:
				names = append(names, spec.Name)
			}
		}
	}
	return names
}

// hasChannel reports whether a type shows a channel anywhere but in a struct or an interface that it declares.
func hasChannel(shape ast.Node) bool {
	found := false
	ast.Inspect(shape, func(n ast.Node) bool {
		if _, ok := n.(*ast.ChanType); ok {
			found = true
		}
		return !found
	})
	return found
}

// exportedFunc reports whether users of a package can call a function or method.
func exportedFunc(f *ast.FuncDecl) bool {
	if !f.Name.IsExported() {
		return false
	}
	return f.Recv == nil || ast.IsExported(receiver(f))
}

// receiver names the type that a method belongs to; it is empty for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return ""
	}
	shape := f.Recv.List[0].Type
	for {
		switch t := shape.(type) {
		case *ast.StarExpr:
			shape = t.X
		case *ast.IndexExpr:
			shape = t.X
		case *ast.IndexListExpr:
			shape = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

// isSelector reports whether an expression is pkg.name.
func isSelector(e ast.Expr, pkg, name string) bool {
	selector, ok := e.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	ident, ok := selector.X.(*ast.Ident)
	return ok && ident.Name == pkg
}
