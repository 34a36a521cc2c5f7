package policy

import (
	"go/ast"
	"regexp"
	"slices"
)

// helpPage shows every verb of the binary; a test of cmd/freshet keeps it true.
const helpPage = "cmd/freshet/testdata/help.golden"

// NamedProofs asks that what pages name exists: tests as `room.TestName`, targets as `make target`, verbs as
// `freshet verb` and commands as `go run ./folder`.
func NamedProofs(h *House) []Finding {
	tests, targets, verbs := h.tests(), h.targets(), h.verbs()
	names := []struct {
		pattern *regexp.Regexp
		known   func(name string) bool
		kind    string
	}{
		{regexp.MustCompile("`([a-z][a-z0-9/]*\\.(?:Test|Fuzz|Benchmark|Example)\\w*)`"), func(name string) bool { return tests[name] }, "test"},
		{regexp.MustCompile("`make ([a-z][a-z-]*)[^`]*`"), func(name string) bool { return targets[name] }, "target"},
		{regexp.MustCompile(`^\s*make ([a-z][a-z-]*)\s*(?:#.*)?$`), func(name string) bool { return targets[name] }, "target"},
		{regexp.MustCompile("(?:`|^)freshet ([a-z]+)"), func(name string) bool { return verbs[name] }, "verb"},
		{regexp.MustCompile(`\bgo (?:run|build|install) \./([a-z0-9/-]+)`), func(name string) bool { return slices.Contains(h.rooms(), name) }, "command"},
	}
	var findings []Finding
	for _, t := range h.pages() {
		for n, line := range t.Lines {
			for _, named := range names {
				for _, match := range named.pattern.FindAllStringSubmatch(line, -1) {
					if !named.known(match[1]) {
						findings = append(findings, Finding{
							Path: t.Path, Line: n + 1, What: "names the " + named.kind + " " + match[1] + ", which is not there",
							Fix: "name what is there now, or drop the sentence",
						})
					}
				}
			}
		}
	}
	return findings
}

// tests holds the names of test functions as "room.TestName".
func (h *House) tests() map[string]bool {
	names := make(map[string]bool)
	for _, s := range h.Sources {
		for _, decl := range s.Syntax.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && s.Test && f.Recv == nil {
				names[s.Room+"."+f.Name.Name] = true
			}
		}
	}
	return names
}

// targets holds the targets of the Makefile.
func (h *House) targets() map[string]bool {
	return h.firsts("Makefile", regexp.MustCompile(`^([a-z][a-z-]*):`))
}

// verbs holds the verbs that the binary shows in its help.
func (h *House) verbs() map[string]bool {
	return h.firsts(helpPage, regexp.MustCompile(`^-- freshet ([a-z]+)`))
}

// firsts collects the first group of a pattern over the lines of a file.
func (h *House) firsts(name string, pattern *regexp.Regexp) map[string]bool {
	found := make(map[string]bool)
	if t, ok := h.text(name); ok {
		for _, line := range t.Lines {
			if match := pattern.FindStringSubmatch(line); match != nil {
				found[match[1]] = true
			}
		}
	}
	return found
}
