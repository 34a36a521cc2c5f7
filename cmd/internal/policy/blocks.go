package policy

import (
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
)

// block is a stretch of a page: a fence, or what stands between two.
type block struct {
	line     int // of the first of lines, from 1
	fence    bool
	language string
	lines    []string
	above    string // the line above a fence
}

// blocks cuts a page at its fences.
func (t *Text) blocks() []block {
	var all []block
	now := block{line: 1}
	for n, line := range t.Lines {
		mark, ok := strings.CutPrefix(strings.TrimSpace(line), "```")
		if !ok {
			now.lines = append(now.lines, line)
			continue
		}
		all = append(all, now)
		now = block{line: n + 2, fence: !now.fence, language: mark}
		if now.fence && n > 0 {
			now.above = t.Lines[n-1]
		}
	}
	return append(all, now)
}

// Objects asks every fence of JSON to be JSON.
func Objects(h *House) []Finding {
	var findings []Finding
	for _, t := range h.pages() {
		for _, b := range t.blocks() {
			if !b.fence || b.language != "json" {
				continue
			}
			decoder := json.NewDecoder(strings.NewReader(strings.Join(b.lines, "\n")))
			var err error
			for err == nil {
				var value any
				err = decoder.Decode(&value)
			}
			if !errors.Is(err, io.EOF) {
				findings = append(findings, Finding{Path: t.Path, Line: b.line, What: "JSON that does not parse: " + err.Error(), Fix: "show what is sent, whole"})
			}
		}
	}
	return findings
}

// snippetOf is the line above a fence of Go: the file that it was cut out of.
var snippetOf = regexp.MustCompile(`^<!-- from: (\S+) -->$`)

// Snippets asks every fence of Go to be a piece of a file that is compiled: its declarations stand there word by word.
func Snippets(h *House) []Finding {
	var findings []Finding
	for _, t := range h.pages() {
		for _, b := range t.blocks() {
			if !b.fence || b.language != "go" {
				continue
			}
			add := func(what, fix string) {
				findings = append(findings, Finding{Path: t.Path, Line: b.line, What: what, Fix: fix})
			}
			from := snippetOf.FindStringSubmatch(b.above)
			if from == nil {
				add("Go that nothing compiles", "cut it out of a test or an example, and write <!-- from: FILE --> above the fence")
				continue
			}
			file, ok := h.text(from[1])
			if !ok {
				add("Go from "+from[1]+", which is not there", "name the file that it was cut out of")
				continue
			}
			text := "\n" + unindented(file.Lines) + "\n"
			for _, piece := range strings.Split(unindented(b.lines), "\n\n") {
				if !strings.Contains(text, "\n"+piece+"\n") {
					first, _, _ := strings.Cut(piece, "\n")
					add("Go that "+from[1]+" does not hold: "+first, "cut it out of the file again")
				}
			}
		}
	}
	return findings
}

// unindented joins lines without their indentation, so that the body of a function can be shown alone.
func unindented(lines []string) string {
	flat := make([]string, len(lines))
	for i, line := range lines {
		flat[i] = strings.TrimLeft(line, "\t")
	}
	return strings.Join(flat, "\n")
}
