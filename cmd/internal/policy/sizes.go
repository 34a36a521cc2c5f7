package policy

import (
	"fmt"
	"go/ast"
)

// The bounds of what a reader can hold at once. Over a soft bound is reported, over a hard one fails.
const (
	fileLinesSoft, fileLinesHard         = 400, 700
	functionLinesSoft, functionLinesHard = 70, 100
	interfaceMethodsMax                  = 4
)

// FileSizes bounds the lines of a file, tests included.
func FileSizes(h *House) []Finding {
	var findings []Finding
	for _, s := range h.written() {
		if s.Lines > fileLinesSoft {
			findings = append(findings, Finding{
				Path: s.Path, Soft: s.Lines <= fileLinesHard,
				What: fmt.Sprintf("%d lines (soft bound %d, hard bound %d)", s.Lines, fileLinesSoft, fileLinesHard),
				Fix:  "split it by noun: one file, one noun",
			})
		}
	}
	return findings
}

// FunctionSizes bounds the lines of a function. In tests a literal is data, and its lines do not count.
func FunctionSizes(h *House) []Finding {
	var findings []Finding
	for _, s := range h.written() {
		for _, decl := range s.Syntax.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			lines := h.span(f.Body)
			if s.Test {
				lines -= h.literalLines(f.Body)
			}
			if lines > functionLinesSoft {
				found := h.at(s, f.Pos(),
					fmt.Sprintf("%s has %d lines (soft bound %d, hard bound %d)", f.Name.Name, lines, functionLinesSoft, functionLinesHard),
					"pull whole steps out and name them")
				found.Soft = lines <= functionLinesHard
				findings = append(findings, found)
			}
		}
	}
	return findings
}

// InterfaceSizes bounds the methods of an interface that the product declares.
func InterfaceSizes(h *House) []Finding {
	var findings []Finding
	for _, s := range h.product() {
		ast.Inspect(s.Syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			face, ok := spec.Type.(*ast.InterfaceType)
			if !ok {
				return true
			}
			if count := face.Methods.NumFields(); count > interfaceMethodsMax {
				findings = append(findings, h.at(s, spec.Pos(),
					fmt.Sprintf("interface %s has %d methods (bound %d)", spec.Name.Name, count, interfaceMethodsMax),
					"keep what every implementer needs; the rest are optional interfaces of one method"))
			}
			return true
		})
	}
	return findings
}

// span counts the lines of a node, those of its braces included.
func (h *House) span(n ast.Node) int { return h.line(n.End()) - h.line(n.Pos()) + 1 }

// literalLines counts the lines between the braces of the outermost composite literals.
func (h *House) literalLines(body ast.Node) int {
	lines := 0
	ast.Inspect(body, func(n ast.Node) bool {
		if literal, ok := n.(*ast.CompositeLit); ok {
			lines += h.line(literal.Rbrace) - h.line(literal.Lbrace)
			return false
		}
		return true
	})
	return lines
}
