package policy

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names forbids names that say nothing (drawers, suffixes of role) and names that say it twice.
func Names(h *House) []Finding {
	var findings []Finding
	for _, room := range h.rooms() {
		if slices.Contains(slices.Concat(drawers(), drawerPackages()), path.Base(room)) {
			findings = append(findings, Finding{Path: room, What: "package named like a drawer", Fix: "name it for what it provides"})
		}
	}
	for _, s := range h.written() {
		if found, ok := fileName(s); ok {
			findings = append(findings, found)
		}
		for _, decl := range s.Syntax.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				findings = append(findings, h.functionName(s, d)...)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if t, ok := spec.(*ast.TypeSpec); ok {
						findings = append(findings, h.typeName(s, t)...)
					}
				}
			}
		}
	}
	return findings
}

// drawers are the names of packages and files under which anything would fit.
func drawers() []string {
	return []string{"common", "constants", "helper", "helpers", "interfaces", "misc", "types", "util", "utils"}
}

// drawerPackages are further names that are drawers for a package only.
func drawerPackages() []string {
	return []string{"base", "core", "foundation", "lib", "shared", "tools"}
}

func fileName(s *Source) (Finding, bool) {
	stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.Path), ".go"), "_test")
	switch {
	case slices.Contains(drawers(), stem):
		return Finding{Path: s.Path, What: "file named like a drawer", Fix: "name it for the noun that it holds"}, true
	case strings.HasPrefix(stem, path.Base(s.Room)+"_") && !platform(stem):
		return Finding{Path: s.Path, What: "file that repeats its folder's name", Fix: "drop the prefix"}, true
	}
	return Finding{}, false
}

// platform reports whether what follows the first underscore is a part of the build, not of the name.
func platform(stem string) bool {
	_, suffix, _ := strings.Cut(stem, "_")
	return slices.Contains([]string{"linux", "darwin", "windows", "unix", "other", "amd64", "arm64"}, suffix)
}

func (h *House) typeName(s *Source, t *ast.TypeSpec) []Finding {
	var findings []Finding
	for _, suffix := range []string{"Manager", "Helper", "Handler", "Processor", "Wrapper", "Impl", "Util", "Utils"} {
		if strings.HasSuffix(t.Name.Name, suffix) || t.Name.Name == strings.ToLower(suffix) {
			findings = append(findings, h.at(s, t.Pos(), "type "+t.Name.Name+" is named after a role",
				"use the noun of the domain, or make it a function"))
			break
		}
	}
	if !s.Test && stutters(s, t.Name.Name) {
		findings = append(findings, h.at(s, t.Pos(), t.Name.Name+" repeats the name of its package",
			"read it as users write it: "+s.Syntax.Name.Name+"."+t.Name.Name))
	}
	return findings
}

func (h *House) functionName(s *Source, f *ast.FuncDecl) []Finding {
	var findings []Finding
	name := f.Name.Name
	if rest, ok := strings.CutPrefix(name, "Get"); ok && startsUpper(rest) && f.Type.Params.NumFields() == 0 {
		findings = append(findings, h.at(s, f.Pos(), name+" is a getter with a Get", "call it "+rest))
	}
	if f.Recv == nil && !s.Test && stutters(s, name) {
		findings = append(findings, h.at(s, f.Pos(), name+" repeats the name of its package",
			"read it as users write it: "+s.Syntax.Name.Name+"."+name))
	}
	if rest, ok := strings.CutPrefix(name, "With"); ok && startsUpper(rest) && f.Recv == nil && returnsOption(f) {
		findings = append(findings, h.at(s, f.Pos(), name+" is a functional option", "make it a field of an Options struct that is passed by value"))
	}
	return findings
}

func returnsOption(f *ast.FuncDecl) bool {
	if f.Type.Results.NumFields() != 1 {
		return false
	}
	shape := f.Type.Results.List[0].Type
	ident, named := shape.(*ast.Ident)
	_, function := shape.(*ast.FuncType)
	return function || named && strings.HasSuffix(ident.Name, "Option")
}

// stutters reports whether an exported name begins with the whole name of its package, as in postgres.PostgresSource.
func stutters(s *Source, name string) bool {
	pkg := s.Syntax.Name.Name
	if pkg == "main" || !ast.IsExported(name) || len(name) <= len(pkg) {
		return false
	}
	return strings.EqualFold(name[:len(pkg)], pkg) && startsUpper(name[len(pkg):])
}

func startsUpper(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	return unicode.IsUpper(first)
}
