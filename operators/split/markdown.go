package split

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	gmtext "github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Strengths of Markdown borders, besides betweenSections for headings of level one and two.
const (
	betweenItems  = structure + 40 // less the depth of nesting
	betweenBlocks = structure + 50
	betweenTopics = structure + 60 // before a heading of level three or more, less its level
)

// nestingMax is the depth from which nested lists and quotations are one.
const nestingMax = 32

// heading is one heading outside lists and quotations.
type heading struct {
	start, body int // offsets of the heading and of what follows it
	level       int
	path        string
}

// newMarkdownParser returns a parser of blocks. What is inside a paragraph is not parsed.
func newMarkdownParser() parser.Parser {
	return parser.NewParser(
		parser.WithBlockParsers(parser.DefaultBlockParsers()...),
		parser.WithParagraphTransformers(util.Prioritized(extension.NewTableParagraphTransformer(), 200)),
	)
}

// mayHaveHeading reports whether text could have a heading. Most short texts have none and need no parser.
func mayHaveHeading(text string) bool {
	for rest := text; ; {
		rest = strings.TrimLeft(rest, " ")
		if rest != "" && strings.IndexByte("#=-", rest[0]) >= 0 {
			return true
		}
		n := strings.IndexByte(rest, '\n')
		if n < 0 {
			return false
		}
		rest = rest[n+1:]
	}
}

// appendMarkdown appends the borders between the blocks of a document, and its headings.
func appendMarkdown(to []border, hs []heading, p parser.Parser, text string, in span) ([]border, []heading) {
	skip := frontMatter(text)
	source := []byte(text[skip:])
	flatten(source)
	d := document{text: text, source: source, skip: skip, in: in, borders: to, headings: hs}
	if skip > 0 {
		d.add(skip, betweenBlocks)
	}
	d.top(p.Parse(gmtext.NewReader(source)))
	return d.borders, d.headings
}

// frontMatter returns the length of a block of metadata between lines of --- or +++ at the start of a text.
func frontMatter(text string) int {
	for _, fence := range [...]string{"---", "+++"} {
		rest, ok := strings.CutPrefix(text, fence+"\n")
		if !ok {
			continue
		}
		if n := strings.Index("\n"+rest, "\n"+fence+"\n"); n >= 0 {
			return min(len(text), len(fence)+1+n+len(fence)+1)
		}
	}
	return 0
}

// flatten makes letters of the markers that would nest lists and quotations deeper than nestingMax, since the time
// of the parser grows with the square of the depth. Offsets stay as they are.
func flatten(source []byte) {
	for len(source) > 0 {
		line := source
		if n := bytes.IndexByte(source, '\n'); n >= 0 {
			line = source[:n+1]
		}
		source = source[len(line):]
		depth := 0
		for i, c := range line {
			switch c {
			case ' ', '>':
				depth++
			case '\t':
				depth += 4
			case '-', '+', '*':
				if i+1 < len(line) && !asciiSpace(line[i+1]) {
					depth = -1 // a rule or a word
				}
			case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '.', ')':
			default:
				depth = -1
			}
			if depth < 0 {
				break
			}
			if depth > 4*nestingMax && c > ' ' {
				line[i] = 'x'
			}
		}
	}
}

// document collects the borders of one text.
type document struct {
	text     string
	source   []byte // text[skip:], flattened
	skip     int
	in       span
	borders  []border
	headings []heading
	above    [7]string // the path of the last heading of each level or an outer one, by level
}

// add appends the border at an offset of the text. Where one is there already, the stronger one counts.
func (d *document) add(offset int, s strength) {
	b, ok := borderAt(d.text, d.in.lo, d.in.hi, offset, s)
	if !ok {
		return
	}
	n := len(d.borders)
	if n > 0 && d.borders[n-1].start == b.start {
		d.borders[n-1].strength = max(d.borders[n-1].strength, s)
	} else if n == 0 || d.borders[n-1].start < b.start && d.borders[n-1].end < b.start {
		d.borders = append(d.borders, b)
	}
}

// line returns the offset in the text of the start of the line where a block begins: before its marker and indent.
func (d *document) line(n ast.Node) int {
	at := n.Pos()
	for at < 0 && n.FirstChild() != nil {
		n = n.FirstChild()
		at = n.Pos()
	}
	if at < 0 || at > len(d.source) {
		return -1
	}
	at += d.skip
	return max(d.skip, strings.LastIndexByte(d.text[:at], '\n')+1)
}

// top visits the blocks of the document itself.
func (d *document) top(root ast.Node) {
	var before *ast.Heading
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		at := d.line(n)
		if at < 0 {
			continue
		}
		h, isHeading := n.(*ast.Heading)
		d.add(at, besideHeading(before, n))
		if before = h; isHeading {
			d.title(h, at)
		} else {
			d.nested(n, 0)
		}
	}
}

// besideHeading returns the strength of the border before a block that follows before, which is nil or a heading.
func besideHeading(before *ast.Heading, n ast.Node) strength {
	if h, ok := n.(*ast.Heading); ok {
		switch {
		case before != nil && h.Level > before.Level:
			return afterHeading
		case h.Level <= 2:
			return betweenSections
		}
		return betweenTopics - strength(h.Level)
	}
	if before == nil {
		return betweenBlocks
	}
	switch n.Kind() {
	case ast.KindFencedCodeBlock, ast.KindCodeBlock, ast.KindHTMLBlock, extast.KindTable:
		return afterHeadingAtomic
	}
	return afterHeading
}

// nested visits the blocks inside a list or a quotation.
func (d *document) nested(parent ast.Node, depth int) {
	if depth == nestingMax {
		return
	}
	switch parent.Kind() {
	case ast.KindList, ast.KindListItem, ast.KindBlockquote:
	default:
		return
	}
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		if at := d.line(n); at >= 0 && n.PreviousSibling() != nil {
			d.add(at, betweenItems-strength(depth))
		}
		d.nested(n, depth+1)
	}
}

// titleMax is the length in bytes above which the text of a heading is cut in a path.
const titleMax = 200

// title appends a heading to the outline.
func (d *document) title(h *ast.Heading, at int) {
	var words []string
	for i := range h.Lines().Len() {
		line := h.Lines().At(i)
		words = append(words, strings.Fields(string(line.Value(d.source)))...)
	}
	name := strings.Join(words, " ")
	if len(name) > titleMax {
		cut := titleMax
		for !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + "…"
	}
	if up := d.above[h.Level-1]; up != "" && name != "" {
		name = up + " > " + name
	} else {
		name = up + name
	}
	for level := h.Level; level < len(d.above); level++ {
		d.above[level] = name
	}
	end := at
	if n := h.Lines().Len(); n > 0 {
		end = h.Lines().At(n-1).Stop + d.skip
	}
	if n := strings.IndexByte(d.text[end:], '\n'); n >= 0 {
		end += n
	} else {
		end = len(d.text)
	}
	if isSetext(d.text, at) { // its underline is no line of the heading
		if n := strings.IndexByte(d.text[min(end+1, len(d.text)):], '\n'); n >= 0 {
			end += 1 + n
		} else {
			end = len(d.text)
		}
	}
	start := trimLeft(d.text, at, len(d.text))
	d.headings = append(d.headings, heading{start, trimLeft(d.text, end, len(d.text)), h.Level, name})
}

// isSetext reports whether the heading that begins at the line at is one with an underline.
func isSetext(text string, at int) bool {
	return !strings.HasPrefix(strings.TrimLeft(text[at:min(len(text), at+4)], " "), "#")
}

// path returns the path of headings over the text of a part, headings that begin it included.
func path(hs []heading, p span) string {
	a, b := 0, len(hs)
	for a < b {
		if m := (a + b) / 2; hs[m].start <= p.lo {
			a = m + 1
		} else {
			b = m
		}
	}
	if a == 0 {
		return ""
	}
	k := a - 1
	for next := k + 1; next < len(hs) && p.lo <= hs[k].start && hs[next].start == hs[k].body &&
		hs[next].start < p.hi && hs[next].level > hs[k].level; next++ {
		k = next
	}
	return hs[k].path
}
