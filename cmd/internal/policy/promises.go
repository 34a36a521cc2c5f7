package policy

import (
	"fmt"
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
