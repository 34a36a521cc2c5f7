package policy

import (
	"cmp"
	"fmt"
	"slices"
)

// Finding is one place that breaks a rule.
type Finding struct {
	// Path is relative to the root of the house, with slashes; it may name a folder.
	Path string
	// Line counts from 1; 0 stands for the file as a whole.
	Line int
	// What says what is there.
	What string
	// Fix says what to do instead.
	Fix string
	// Soft findings are reported and fail nothing.
	Soft bool
}

// String gives the finding as "path:line: what; fix".
func (f Finding) String() string {
	place := f.Path
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d", f.Path, f.Line)
	}
	return place + ": " + f.What + "; " + f.Fix
}

// Rule is one law of the house.
type Rule struct {
	Name  string
	check func(*House) []Finding
}

// Findings holds a house against the rule. The findings are ordered by place, so that they read like the house.
func (r Rule) Findings(h *House) []Finding {
	findings := r.check(h)
	slices.SortFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.What, b.What))
	})
	return findings
}

// Rules lists every rule that is decided from the text of the house.
func Rules() []Rule {
	return []Rule{
		{"imports follow the table of rooms", Imports},
		{"dependencies are argued", Modules},
		{"folders and root files are the known ones", Layout},
		{"the licence is there", Licence},
		{"files stay short", FileSizes},
		{"functions stay short", FunctionSizes},
		{"interfaces stay small", InterfaceSizes},
		{"who starts a goroutine waits", Goroutines},
		{"contexts are parameters", Contexts},
		{"channels are not exported", Channels},
		{"nothing happens at import", Imported},
		{"package variables never change", Globals},
		{"names say what things are", Names},
		{"packages say what belongs there", PackageComments},
		{"packages say what they may import", ImportsTold},
		{"exported symbols are documented", Documented},
		{"errors are bare verb phrases", ErrorWording},
		{"tests sleep in fake time only", Sleeps},
		{"tests can fail", Failable},
		{"the repository speaks of the product only", Words},
		{"prose claims nothing", Prose},
		{"links lead somewhere", Links},
		{"commands on pages exist", Commands},
		{"snippets on pages are compiled", Snippets},
		{"JSON on pages parses", Objects},
		{"named tests and commands exist", NamedProofs},
		{"every promise is cited and proved", Promises},
	}
}
