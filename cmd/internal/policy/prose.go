package policy

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Prose keeps praise and decoration out of what is written for users: figures and limits convince, adjectives do not.
func Prose(h *House) []Finding {
	praise := regexp.MustCompile(`(?i)\b(blazing(ly)?|robust(ly)?|powerful|seamless(ly)?|effortless(ly)?|cutting[- ]edge|state[- ]of[- ]the[- ]art|` +
		`world[- ]class|next[- ]gen(eration)?|revolutionary|game[- ]chang(er|ing)|lightning[- ]fast|battle[- ]tested|enterprise[- ]grade|` +
		`delightful|simply|just works|supercharge[sd]?|unleash(es|ed)?|leverag(e|es|ed|ing))\b`)
	lineNumber := regexp.MustCompile(`\b[\w/]+\.go:\d+`)
	var findings []Finding
	for _, t := range h.pages() {
		for n, line := range t.Lines {
			add := func(what, fix string) {
				findings = append(findings, Finding{Path: t.Path, Line: n + 1, What: what, Fix: fix})
			}
			if word := praise.FindString(line); word != "" {
				add("praise: "+strconv.Quote(word), "give the figure, with the command that reproduces it, or drop the word")
			}
			if place := lineNumber.FindString(line); place != "" {
				add("a line number of the source: "+place, "name the symbol; it moves with the code")
			}
			if r, ok := pictograph(line); ok {
				add(fmt.Sprintf("pictograph %q", r), "use a word")
			}
		}
	}
	return findings
}

// machinePage is a page of Markdown under the name that machines look for.
const machinePage = "docs/llms.txt"

// pages holds the Markdown pages, other than fixtures.
func (h *House) pages() []*Text {
	var pages []*Text
	for _, t := range h.Texts {
		if (path.Ext(t.Path) == ".md" || t.Path == machinePage) && !inTestdata(t.Path) && !sampleData(t.Path) {
			pages = append(pages, t)
		}
	}
	return pages
}

// sampleData reports whether a page is a document for flows to read, not one about the product: those of examples
// lie below a docs or data folder of theirs, the demo's below its corpus.
func sampleData(name string) bool {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		if part == "corpus" || i > 0 && parts[0] == "examples" && (part == "data" || part == "docs") {
			return true
		}
	}
	return false
}

// pictograph finds symbols that decorate: emoji and dingbats. Arrows and mathematical signs say something.
func pictograph(line string) (rune, bool) {
	for _, r := range line {
		if r >= 0x1F000 && r <= 0x1FAFF || r >= 0x2700 && r <= 0x27BF || r == 0x2B50 || r == 0xFE0F {
			return r, true
		}
	}
	return 0, false
}
