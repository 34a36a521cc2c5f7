package flowfile

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// at is where a node begins, as wide as its text on that line.
func (d *document) at(n *yaml.Node) spot {
	s := spot{line: n.Line, column: n.Column, width: 1}
	raw := d.from(s)
	if anchor := "&" + n.Anchor + " "; n.Anchor != "" && strings.HasPrefix(raw, anchor) {
		s.column += len([]rune(anchor))
		raw = raw[len(anchor):]
	}
	if n.Kind != yaml.ScalarNode {
		return s
	}
	value := n.Value
	if written, ok := d.written[n]; ok {
		value = written
	}
	switch {
	case strings.HasPrefix(raw, value) && value != "":
		s.width = len([]rune(value))
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		s.width = len([]rune(strings.TrimRight(raw, " ")))
	case raw != "" && (raw[0] == '\'' || raw[0] == '"'):
		s.width = len([]rune(raw[:quoted(raw)]))
	}
	return s
}

// from is the rest of a line, from a place on.
func (d *document) from(s spot) string {
	if s.line < 1 || s.line > len(d.lines) || s.column < 1 {
		return ""
	}
	runes := []rune(d.lines[s.line-1])
	if s.column > len(runes) {
		return ""
	}
	return string(runes[s.column-1:])
}

// quoted is the length of the quoted text that raw begins with, or all of raw where it goes on in
// the next line.
func quoted(raw string) int {
	quote := raw[0]
	for i := 1; i < len(raw); i++ {
		switch {
		case raw[i] == '\\' && quote == '"':
			i++
		case raw[i] == quote && quote == '\'' && i+1 < len(raw) && raw[i+1] == quote:
			i++
		case raw[i] == quote:
			return i + 1
		}
	}
	return len(raw)
}

// within is the place of a byte of a scalar's value. Where the text of the file differs from the value
// (escapes, folded lines, a replaced ${NAME}) it is where the scalar begins.
func (d *document) within(n *yaml.Node, offset int) spot {
	start := d.at(n)
	value := n.Value
	if _, ok := d.written[n]; ok || offset < 0 || offset > len(value) {
		return start
	}
	raw := d.from(start)
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		return d.withinLiteral(n, offset, start)
	case strings.HasPrefix(raw, "'"+strings.ReplaceAll(value, "'", "''")+"'"):
		start.column += 1 + len([]rune(strings.ReplaceAll(value[:offset], "'", "''")))
	case strings.HasPrefix(raw, `"`+value+`"`):
		start.column += 1 + len([]rune(value[:offset]))
	case n.Style == 0 && strings.HasPrefix(raw, value):
		start.column += len([]rune(value[:offset]))
	default:
		return start
	}
	start.width = word(value[offset:])
	return start
}

// withinLiteral is the place of a byte of a block that begins with |.
func (d *document) withinLiteral(n *yaml.Node, offset int, start spot) spot {
	before := n.Value[:offset]
	line := n.Line + 1 + strings.Count(before, "\n")
	begin := strings.LastIndexByte(before, '\n') + 1
	text, _, _ := strings.Cut(n.Value[begin:], "\n")
	if line > len(d.lines) || !strings.HasSuffix(d.lines[line-1], text) {
		return start
	}
	indent := len(d.lines[line-1]) - len(text)
	return spot{line, indent + len([]rune(n.Value[begin:offset])) + 1, word(n.Value[offset:])}
}

// word is the length of the name that a text begins with, at least 1.
func word(text string) int {
	n := 0
	for n < len(text) && inWord(rune(text[n])) && text[n] < 0x80 {
		n++
	}
	return max(n, 1)
}

// place is a value in the tree: where it stands and how a message calls it.
type place struct {
	key   *yaml.Node // nil: an element of a list
	value *yaml.Node
	label string
}

// spotOf is what a message about a place points at: the scalar, or the key of anything longer.
func (d *document) spotOf(p place) spot {
	if p.value != nil && p.value.Kind == yaml.ScalarNode && !isNull(p.value) && p.value.Line > 0 {
		return d.at(p.value)
	}
	if p.key != nil {
		return d.at(p.key)
	}
	if p.value != nil && p.value.Line > 0 {
		return d.at(p.value)
	}
	return spot{1, 1, 0}
}

// seek walks down a dotted path as far as the file goes, and reports whether that is all the way. Keys
// may hold dots; elements of lists are named by index or by their text.
func seek(p place, path string) (place, bool) {
	if path == "" {
		return p, true
	}
	n := follow(p.value)
	if n == nil {
		return p, false
	}
	best, rest := place{}, ""
	try := func(name string, candidate place) {
		tail, ok := strings.CutPrefix(path, name)
		if !ok || tail != "" && tail[0] != '.' {
			return
		}
		if tail = strings.TrimPrefix(tail, "."); best.value == nil || len(tail) < len(rest) {
			best, rest = candidate, tail
		}
	}
	switch n.Kind {
	case yaml.MappingNode:
		for _, e := range pairs(n) {
			try(e.key.Value, place{key: e.key, value: e.value})
		}
	case yaml.SequenceNode:
		for i, e := range n.Content {
			e = follow(e)
			try(strconv.Itoa(i), place{value: e})
			if e.Kind == yaml.ScalarNode {
				try(e.Value, place{value: e})
			}
		}
	}
	if best.value == nil {
		return p, false
	}
	return seek(best, rest)
}
