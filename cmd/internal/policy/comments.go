package policy

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// docFileFrom is the number of files from which on a package comment stands in doc.go.
const docFileFrom = 4

// PackageComments asks for exactly one comment per package, in doc.go where there are several files.
func PackageComments(h *House) []Finding {
	var findings []Finding
	for _, room := range h.rooms() {
		var files, commented []*Source
		for _, s := range h.Sources {
			if s.Room != room || s.Test {
				continue
			}
			files = append(files, s)
			if s.Syntax.Doc.Text() != "" {
				commented = append(commented, s)
			}
		}
		if len(files) > 0 {
			findings = append(findings, h.packageComment(room, files, commented)...)
		}
	}
	return findings
}

func (h *House) packageComment(room string, files, commented []*Source) []Finding {
	switch {
	case len(commented) == 0:
		return []Finding{{Path: room, What: "package without a comment", Fix: "say what belongs here, the nouns, invariants and concurrency"}}
	case len(commented) > 1:
		var findings []Finding
		for _, s := range commented[1:] {
			findings = append(findings, h.at(s, s.Syntax.Doc.Pos(), "second package comment, after "+commented[0].Path, "merge them, or put a blank line below this one"))
		}
		return findings
	}
	s := commented[0]
	var findings []Finding
	start := "Package " + s.Syntax.Name.Name + " "
	if s.Syntax.Name.Name == "main" {
		start = "Command " + path.Base(room) + " "
	}
	if !strings.HasPrefix(s.Syntax.Doc.Text(), start) {
		findings = append(findings, h.at(s, s.Syntax.Doc.Pos(), "package comment with another beginning", fmt.Sprintf("begin with %q", start)))
	}
	if nouns(files) >= docFileFrom && path.Base(s.Path) != "doc.go" {
		findings = append(findings, h.at(s, s.Syntax.Doc.Pos(), "package comment outside of doc.go in a package of several files", "move it to doc.go"))
	}
	return findings
}

// nouns counts the files of a package, the variants of one for several platforms as one.
func nouns(files []*Source) int {
	stems := make(map[string]bool)
	for _, s := range files {
		stem := strings.TrimSuffix(path.Base(s.Path), ".go")
		if platform(stem) {
			stem = stem[:strings.LastIndexByte(stem, '_')]
		}
		stems[stem] = true
	}
	return len(stems)
}

// Documented asks for a comment on everything that a package exports.
func Documented(h *House) []Finding {
	var findings []Finding
	for _, s := range h.product() {
		if s.Syntax.Name.Name == "main" {
			continue
		}
		for _, decl := range s.Syntax.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if exportedFunc(d) && !ofError(d) {
					findings = append(findings, h.named(s, d.Name, d.Doc)...)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					findings = append(findings, h.documentedSpec(s, d, spec)...)
				}
			}
		}
	}
	return findings
}

func (h *House) documentedSpec(s *Source, d *ast.GenDecl, spec ast.Spec) []Finding {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if !spec.Name.IsExported() {
			return nil
		}
		doc := spec.Doc
		if doc == nil && !d.Lparen.IsValid() {
			doc = d.Doc
		}
		return h.named(s, spec.Name, doc)
	case *ast.ValueSpec:
		i := slices.IndexFunc(spec.Names, (*ast.Ident).IsExported)
		if i >= 0 && spec.Doc == nil && spec.Comment == nil && d.Doc == nil {
			return []Finding{h.at(s, spec.Pos(), spec.Names[i].Name+" is exported and has no comment", "say what it means, with its unit")}
		}
	}
	return nil
}

// ofError reports whether a method is Error or Unwrap of an error: what they do is said by the language.
func ofError(f *ast.FuncDecl) bool {
	return f.Recv != nil && f.Type.Params.NumFields() == 0 && (f.Name.Name == "Error" || f.Name.Name == "Unwrap")
}

// named asks for a comment that begins with the name of what it documents.
func (h *House) named(s *Source, name *ast.Ident, doc *ast.CommentGroup) []Finding {
	text := doc.Text()
	if text == "" {
		return []Finding{h.at(s, name.Pos(), name.Name+" is exported and has no comment",
			"say what it does that its name does not: ownership, errors, units, concurrency")}
	}
	for _, article := range []string{"", "A ", "An ", "The ", "Deprecated: "} {
		rest, ok := strings.CutPrefix(text, article+name.Name)
		if ok && (rest == "" || !isLetter(rest[0])) {
			return nil
		}
	}
	return []Finding{h.at(s, doc.Pos(), "the comment of "+name.Name+" begins with something else", "begin with "+name.Name)}
}

func isLetter(b byte) bool {
	return b == '_' || b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9'
}
