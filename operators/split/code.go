package split

import (
	"slices"
	"strings"
)

// Strengths of borders in code. A border outside is stronger than one inside: each is less the depth of brackets or
// of indent, up to depthMax.
const (
	insideToken  = structure + 2  // before a line of a comment or a string that goes on
	bound        = structure + 5  // before a line that belongs to the one before it
	betweenRows  = structure + 20 // before any other line
	betweenParts = structure + 30 // before a line behind a blank line or a block
	depthMax     = 8
)

// appendCode appends the borders before the lines of a program. The lines are working memory.
func appendCode(to []border, lines []line, text string, in span, l Language) ([]border, []line) {
	g := l.grammar()
	lines = g.scan(lines, text)
	if g.features&indented != 0 {
		measureIndent(lines, text)
	}
	prev := -1
	for i := range lines {
		if lines[i].blank() {
			continue
		}
		if prev >= 0 {
			s := g.before(lines, prev, i, text)
			if b, ok := borderAt(text, in.lo, in.hi, lines[i].start, s); ok {
				to = append(to, b)
			}
		}
		prev = i
	}
	return to, lines
}

// before returns the strength of the border before the line i, where prev is the last line before it that is not
// blank.
func (g *grammar) before(lines []line, prev, i int, text string) strength {
	l, p := lines[i], lines[prev]
	apart := i > prev+1
	if l.inside {
		if apart {
			return insideToken + 1
		}
		return insideToken
	}
	depth := strength(min(l.depth, depthMax))
	remark := p.comment && !p.code
	switch first := text[l.first:]; {
	case strings.IndexByte(")]}{", first[0]) >= 0, slices.Contains(g.tails, firstWord(first)):
		return bound
	case !apart && (remark || g.binds(p, text)):
		return bound
	case apart, g.ends(p, l, text), depth == 0 && l.opens && !remark:
		return betweenParts - depth
	}
	return betweenRows - depth
}

// binds reports whether a line is a decorator or an attribute of the line after it, or leaves a statement unfinished.
func (g *grammar) binds(l line, text string) bool {
	if l.inside || !l.code {
		return false
	}
	first := text[l.first]
	return strings.IndexByte(g.binders, first) >= 0 ||
		g.features&terminated != 0 && first != '#' && strings.IndexByte(";:,{}", l.last) < 0
}

// ends reports whether the line p ends a block that the line l is behind.
func (g *grammar) ends(p, l line, text string) bool {
	if g.features&indented != 0 && l.depth < p.depth {
		return true
	}
	return p.code && !p.inside && l.depth < p.depth && strings.IndexByte(")]}", text[p.first]) >= 0
}

// firstWord returns the name that code begins with, or its first byte if it begins with none.
func firstWord(code string) string {
	n := 0
	for n < len(code) && wordByte(code[n]) {
		n++
	}
	return code[:max(n, min(1, len(code)))]
}

// measureIndent replaces the depth of brackets by the depth of indent. A line inside brackets goes on with the line
// before it.
func measureIndent(lines []line, text string) {
	var widths []int // of the blocks that are open
	for i := range lines {
		l := &lines[i]
		if l.blank() {
			continue
		}
		l.inside = l.inside || l.depth > 0
		width := l.first - l.start
		if !l.inside && l.code {
			for len(widths) > 0 && widths[len(widths)-1] >= width {
				widths = widths[:len(widths)-1]
			}
			l.depth = len(widths)
			widths = append(widths, width)
			l.opens = blockHeader(text, *l)
			continue
		}
		l.depth, l.opens = 0, false
		for _, w := range widths {
			if w < width {
				l.depth++
			}
		}
	}
}

// blockHeader reports whether a line begins a block in a language that tells blocks by their indent.
func blockHeader(text string, l line) bool {
	switch firstWord(text[l.first:]) {
	case "def", "class", "async", "with", "if", "for", "while", "try", "module", "function", "begin", "case":
		return true
	}
	return false
}
