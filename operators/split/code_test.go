package split_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"github.com/freshet/freshet/operators/split"
)

// The Go parser knows where declarations begin: those that fit are to be found whole, with their comments.
func TestDeclarationsOfGoStayWithTheirComments(t *testing.T) {
	const size = 1200
	s := splitter(t, split.Options{By: split.Code, Language: split.Go, Size: size})
	whole, all := 0, 0
	for _, text := range goTree(t, ".go", 4_000, 100_000, 200) {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, "", text, parser.ParseComments)
		if err != nil {
			continue // a test of the compiler
		}
		chunks := chunksOf(s, text)
		for _, d := range file.Decls {
			lo, hi := declaration(files, d)
			if hi-lo > size {
				continue
			}
			all++
			for _, c := range chunks {
				if c.Start <= lo && hi <= c.End {
					whole++
					break
				}
			}
		}
	}
	if all < 2000 {
		t.Fatalf("%d declarations are too few to tell", all)
	}
	share := float64(whole) / float64(all)
	t.Logf("%.1f %% of %d declarations that fit are whole", 100*share, all)
	if share < 0.97 {
		t.Errorf("%.1f %% of the declarations that fit are whole, want 97", 100*share)
	}
}

// declaration returns the offsets of a declaration, its comment included.
func declaration(files *token.FileSet, d ast.Decl) (lo, hi int) {
	from := d.Pos()
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc != nil {
			from = d.Doc.Pos()
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			from = d.Doc.Pos()
		}
	}
	return files.Position(from).Offset, files.Position(d.End()).Offset
}

func TestBracketsThatAreMissingDoNotSpoilTheRestOfTheFile(t *testing.T) {
	var program strings.Builder
	for _, name := range []string{"one", "two", "three", "four", "five", "six"} {
		program.WriteString("// " + name + " does it.\nfunc " + name + "() {\n\tdo(1)\n\n\tdo(2)\n}\n\n")
	}
	s := splitter(t, split.Options{By: split.Code, Language: split.Go, Size: 70})
	whole := textsOf(s, program.String())
	broken := textsOf(s, strings.Replace(program.String(), "func one() {", "func one() {\n"+strings.Repeat("{", 12), 1))
	same := 0
	for text := range whole {
		if broken[text] {
			same++
		}
	}
	if same < len(whole)-1 {
		t.Errorf("%d of %d chunks are as before, want all but one", same, len(whole))
	}
}
