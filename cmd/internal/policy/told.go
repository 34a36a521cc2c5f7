package policy

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// ImportsTold asks the comment of every package for the sentence on what it may import, in the words of [Rooms], so
// that whoever reads a package need not look for the table. A command is imported by nobody, and wires what it likes.
func ImportsTold(h *House) []Finding {
	var findings []Finding
	for _, room := range Rooms() {
		want := room.sentence()
		for _, s := range h.Sources {
			if s.Room != room.Path || s.Test || s.Syntax.Doc == nil || s.Syntax.Name.Name == "main" || tells(s.Syntax.Doc, want) {
				continue
			}
			findings = append(findings, h.at(s, s.Syntax.Doc.Pos(), "package comment without what may be imported", fmt.Sprintf("say %q", want)))
		}
	}
	return findings
}

func tells(doc *ast.CommentGroup, sentence string) bool {
	return strings.Contains(strings.Join(strings.Fields(doc.Text()), " "), sentence)
}

// sentence words the rooms that a room may import.
func (r Room) sentence() string {
	switch n := len(r.Rooms); {
	case n == 0:
		return "It imports none of Freshet's packages."
	case slices.Contains(r.Rooms, "..."):
		return "It may import all of Freshet's packages."
	case n == 1:
		return "Of Freshet's packages it may import " + r.Rooms[0] + " alone."
	default:
		return "Of Freshet's packages it may import " + strings.Join(r.Rooms[:n-1], ", ") + " and " + r.Rooms[n-1] + "."
	}
}
