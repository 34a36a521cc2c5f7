package policy

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// Links asks every relative link of a page to lead to a file or folder of the house, and its #anchor to a heading there.
func Links(h *House) []Finding {
	link := regexp.MustCompile(`\]\(([^()\s]+)\)`)
	known := make(map[string]bool)
	for _, folder := range h.Folders {
		known[folder] = true
	}
	for _, file := range h.Files {
		known[file] = true
	}
	var findings []Finding
	for _, t := range h.pages() {
		for n, line := range t.Lines {
			for _, match := range link.FindAllStringSubmatch(line, -1) {
				target, anchor, _ := strings.Cut(match[1], "#")
				if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
					continue
				}
				full := t.Path
				if target != "" {
					full = path.Join(path.Dir(t.Path), target)
				}
				if !known[full] {
					findings = append(findings, Finding{
						Path: t.Path, Line: n + 1, What: "link to " + full + ", which is not there", Fix: "link to where it is, or drop the link",
					})
				} else if page, ok := h.text(full); anchor != "" && (!ok || !anchors(page)[anchor]) {
					findings = append(findings, Finding{
						Path: t.Path, Line: n + 1, What: "link to #" + anchor + " of " + full + ", which has no such heading", Fix: "link to a heading that is there",
					})
				}
			}
		}
	}
	return findings
}

// anchors are the names under which the headings of a page can be reached, as the usual renderers of Markdown make them.
func anchors(page *Text) map[string]bool {
	found := make(map[string]bool)
	for _, b := range page.blocks() {
		if b.fence {
			continue
		}
		for _, line := range b.lines {
			title := strings.TrimLeft(line, "#")
			if title == line || !strings.HasPrefix(title, " ") {
				continue
			}
			slug := slugOf(title)
			for n := 1; found[slug]; n++ {
				slug = fmt.Sprintf("%s-%d", slugOf(title), n)
			}
			found[slug] = true
		}
	}
	return found
}

// shownLink is a link within a heading, of which only the text counts.
var shownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

func slugOf(title string) string {
	title = shownLink.ReplaceAllString(strings.TrimSpace(title), "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}
