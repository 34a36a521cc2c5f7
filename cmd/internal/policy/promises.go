package policy

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// guaranteesPage is where each promise is put into users' words, with the tests that prove it.
const guaranteesPage = "docs/guarantees.md"

// promiseCount is the number of promises, I1 to I11.
const promiseCount = 11

// Promises asks that each promise is cited where it is enforced and in a test that proves it, and that it has its
// section in the page of guarantees. One that is cited nowhere fails; one half of the pair is reported.
func Promises(h *House) []Finding {
	code, tests := h.citations()
	var findings []Finding
	for n := 1; n <= promiseCount; n++ {
		name := fmt.Sprintf("I%d", n)
		switch {
		case !code[name] && !tests[name]:
			findings = append(findings, Finding{Path: ".", What: name + " is cited nowhere",
				Fix: "write `// " + name + ": …` where it is enforced and in the test that proves it"})
		case !code[name]:
			findings = append(findings, Finding{Path: ".", Soft: true, What: name + " is cited in tests only",
				Fix: "write `// " + name + ": …` where it is enforced"})
		case !tests[name]:
			findings = append(findings, Finding{Path: ".", Soft: true, What: name + " is cited in no test",
				Fix: "write `// " + name + ": …` in the test that proves it"})
		}
		if page, ok := h.text(guaranteesPage); !ok || !slices.ContainsFunc(page.Lines, func(line string) bool {
			return strings.HasPrefix(line, "## "+name+" ")
		}) {
			findings = append(findings, Finding{Path: guaranteesPage, What: name + " has no section",
				Fix: "add `## " + name + " …` with its meaning, its tests and what is not promised"})
		}
	}
	return findings
}

// citations collects the promises that comments name, in the product and in tests.
func (h *House) citations() (code, tests map[string]bool) {
	promise := regexp.MustCompile(`\bI(1[01]|[1-9])\b`)
	code, tests = make(map[string]bool), make(map[string]bool)
	for _, s := range h.written() {
		if s.Room == "cmd/internal/policy" {
			continue // which names promises without keeping any
		}
		cited := code
		if s.Test {
			cited = tests
		}
		for _, group := range s.Syntax.Comments {
			for _, comment := range group.List {
				for _, name := range promise.FindAllString(comment.Text, -1) {
					cited[name] = true
				}
			}
		}
	}
	return code, tests
}

// NamedProofs asks that what pages name exists: tests as `room.TestName`, commands as `make target` and
// `go run ./folder`.
func NamedProofs(h *House) []Finding {
	test := regexp.MustCompile("`([a-z][a-z0-9/]*)\\.((?:Test|Fuzz|Benchmark|Example)\\w*)`")
	target := regexp.MustCompile("`make ([a-z][a-z-]*)[^`]*`|^\\s*make ([a-z][a-z-]*)\\s*(?:#.*)?$")
	command := regexp.MustCompile(`\bgo (?:run|build|install) \./([a-z/]+)`)
	declared, targets := h.tests(), h.targets()
	var findings []Finding
	for _, t := range h.pages() {
		for n, line := range t.Lines {
			add := func(what, fix string) {
				findings = append(findings, Finding{Path: t.Path, Line: n + 1, What: what, Fix: fix})
			}
			for _, m := range test.FindAllStringSubmatch(line, -1) {
				if !declared[m[1]+"."+m[2]] {
					add("names the test "+m[1]+"."+m[2]+", which is not there", "name the test that proves it now")
				}
			}
			for _, m := range target.FindAllStringSubmatch(line, -1) {
				if name := m[1] + m[2]; !targets[name] {
					add("names `make "+name+"`, which is not there", "name a target of the Makefile")
				}
			}
			for _, m := range command.FindAllStringSubmatch(line, -1) {
				if !slices.Contains(h.rooms(), m[1]) {
					add("names the command ./"+m[1]+", which is not there", "name a folder that holds a command")
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
	rule := regexp.MustCompile(`^([a-z][a-z-]*):`)
	names := make(map[string]bool)
	for _, t := range h.Texts {
		if path.Base(t.Path) != "Makefile" {
			continue
		}
		for _, line := range t.Lines {
			if m := rule.FindStringSubmatch(line); m != nil {
				names[m[1]] = true
			}
		}
	}
	return names
}
