package split

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// line is what is known of one line of code.
type line struct {
	start, first int  // offsets of the line, and of its first byte that is not white space, or of its end
	depth        int  // open brackets before the line
	inside       bool // it begins inside a comment or a string
	code         bool // it has something besides comments
	comment      bool // it has a comment
	opens        bool // more brackets are open after it than before it
	last         byte // the last byte of its code
}

// blank reports a line without anything but white space.
func (l line) blank() bool { return !l.code && !l.comment }

// lexer tells code from comments and strings. It reads wrong programs too: whatever it takes for a string ends at the
// end of the text at the latest, and brackets that close nothing are passed over.
type lexer struct {
	*grammar
	text  string
	lines []line
	depth int
	// special are the bytes that can begin anything but a name or an operator.
	special [256]bool
	// holes are the depths at which template strings go on.
	holes []int
	// before is the offset behind the last token that was code; it tells a regular expression from a division.
	before int
}

// scan appends the lines of text.
func (g *grammar) scan(lines []line, text string) []line {
	x := lexer{grammar: g, text: text, lines: lines}
	for _, open := range g.comments {
		x.special[open[0]] = true
	}
	for _, b := range g.blocks {
		x.special[b.open[0]] = true
	}
	for _, q := range g.quotes {
		x.special[q.open[0]] = true
	}
	for _, c := range []byte("()[]{}\n'`/\"") {
		x.special[c] = true
	}
	x.newLine(0, false)
	for i := 0; i < len(text); {
		i = x.token(i)
	}
	return x.lines
}

// newLine appends the line that starts at an offset.
func (x *lexer) newLine(start int, inside bool) {
	n := len(x.lines)
	if n > 0 {
		l := &x.lines[n-1]
		l.opens = x.depth > l.depth
		if l.code && x.before > 0 {
			l.last = x.text[x.before-1]
		}
	}
	if n > 1 && x.lines[n-1].blank() && x.lines[n-2].blank() {
		x.lines = x.lines[:n-1] // one blank line says as much as many
	}
	x.lines = append(x.lines, line{start: start, first: len(x.text), depth: x.depth, inside: inside})
}

// see notes that something other than white space is at an offset of the current line.
func (x *lexer) see(at int, code bool) {
	l := &x.lines[len(x.lines)-1]
	if at == l.start && !l.inside && l.depth > 0 && x.startsAnew(at) {
		x.depth, l.depth, x.holes = 0, 0, x.holes[:0]
	}
	l.first = min(l.first, at)
	if code {
		l.code = true
	} else {
		l.comment = true
	}
}

// startsAnew reports whether a line that is not indented begins a declaration, though brackets are open: a bracket is
// missing above, as in a program that somebody is writing. It must not make the rest of the file something else.
func (x *lexer) startsAnew(at int) bool {
	n := len(x.lines)
	return n > 1 && x.lines[n-2].blank() && (wordByte(x.text[at]) || x.text[at] == '/')
}

// token reads one token at i and returns the offset behind it.
func (x *lexer) token(i int) int {
	c := x.text[i]
	switch {
	case c == '\n':
		x.newLine(i+1, false)
		return i + 1
	case asciiSpace(c):
		return i + 1
	case wordByte(c):
		end := i + 1
		for end < len(x.text) && wordByte(x.text[end]) {
			end++
		}
		x.see(i, true)
		x.before = x.rawString(i, end)
		return x.before
	case !x.special[c]:
		x.see(i, true)
		x.before = i + 1
		return i + 1
	}
	if end := x.comment(i); end > i {
		return end
	}
	x.see(i, true)
	end := x.literal(i)
	if end == i {
		end = x.bracket(i)
	}
	x.before = end
	return end
}

// span notes the lines of a comment or a string that ends at end, and returns end.
func (x *lexer) span(i, end int, code bool) int {
	x.see(i, code)
	for {
		n := strings.IndexByte(x.text[i:end], '\n')
		if n < 0 {
			return end
		}
		i += n + 1
		x.newLine(i, true)
		first := i
		for first < end && x.text[first] != '\n' && asciiSpace(x.text[first]) {
			first++
		}
		if first < end && x.text[first] != '\n' {
			x.see(first, code)
		}
	}
}

// comment reads a comment at i, if there is one.
func (x *lexer) comment(i int) int {
	rest := x.text[i:]
	for _, open := range x.comments {
		if strings.HasPrefix(rest, open) {
			if open == "#" && i > 0 && (wordByte(x.text[i-1]) || x.text[i-1] == '$' || x.text[i-1] == '{') {
				continue // $# and ${name#prefix} of a shell
			}
			x.see(i, false)
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				return i + n
			}
			return len(x.text)
		}
	}
	for _, b := range x.blocks {
		if strings.HasPrefix(rest, b.open) {
			return x.span(i, i+b.length(rest), false)
		}
	}
	return i
}

// length returns the length of the comment that text begins with.
func (b block) length(text string) int {
	depth := 1
	for i := len(b.open); i < len(text); {
		n := strings.Index(text[i:], b.close)
		if n < 0 {
			return len(text)
		}
		if b.nested {
			depth += strings.Count(text[i:i+n], b.open)
		}
		i += n + len(b.close)
		if depth--; depth == 0 {
			return i
		}
	}
	return len(text)
}

// literal reads a string at i, if there is one.
func (x *lexer) literal(i int) int {
	c := x.text[i]
	switch {
	case c == '`' && x.features&templates != 0:
		return x.template(i, i+1)
	case c == '\'' && x.features&lifetimes != 0:
		return x.character(i)
	case c == '/' && x.features&regexes != 0 && x.expectsValue():
		return x.regex(i)
	}
	for _, q := range x.quotes {
		if strings.HasPrefix(x.text[i:], q.open) {
			return x.span(i, i+q.length(x.text[i:]), true)
		}
	}
	return i
}

// length returns the length of the string literal that text begins with.
func (q quote) length(text string) int {
	for i := len(q.open); i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && q.escapes:
			i++
		case c == '\n' && !q.multiline:
			return i
		case c == q.close[0] && strings.HasPrefix(text[i:], q.close):
			return i + len(q.close)
		}
	}
	return len(text)
}

// template reads a template string from at on, up to its end or the next hole in it.
func (x *lexer) template(i, at int) int {
	for ; at < len(x.text); at++ {
		switch c := x.text[at]; {
		case c == '\\':
			at++
		case c == '`':
			return x.span(i, at+1, true)
		case c == '$' && strings.HasPrefix(x.text[at:], "${"):
			x.holes = append(x.holes, x.depth)
			x.depth++
			return x.span(i, at+2, true)
		}
	}
	return x.span(i, len(x.text), true)
}

// character reads a character literal or a lifetime.
func (x *lexer) character(i int) int {
	rest := x.text[i+1:]
	if strings.HasPrefix(rest, `\`) {
		return i + quote{"'", "'", true, false}.length(x.text[i:])
	}
	_, n := utf8.DecodeRuneInString(rest)
	if strings.HasPrefix(rest[n:], "'") && n > 0 && rest[0] != '\n' {
		return i + 1 + n + 1
	}
	return i + 1
}

// regex reads a regular expression literal; it is none if the line ends first.
func (x *lexer) regex(i int) int {
	set := false
	for at := i + 1; at < len(x.text); at++ {
		switch x.text[at] {
		case '\\':
			at++
		case '[':
			set = true
		case ']':
			set = false
		case '\n':
			return i
		case '/':
			if !set {
				return at + 1
			}
		}
	}
	return i
}

// expectsValue reports whether a value and not an operator comes after the code so far.
func (x *lexer) expectsValue() bool {
	code := strings.TrimRight(x.text[max(0, x.before-16):x.before], " \t\r\n")
	if code == "" {
		return true
	}
	last := code[len(code)-1]
	if !wordByte(last) {
		return last != ')' && last != ']' && last != '}' && last != '"' && last != '\'' && last != '`'
	}
	word := code[strings.LastIndexFunc(code, func(r rune) bool { return r >= utf8.RuneSelf || !wordByte(byte(r)) })+1:]
	return slices.Contains([]string{"return", "typeof", "case", "in", "of", "delete", "void", "throw", "await", "yield"}, word)
}

// rawString reads the raw string that the word text[i:end] opens, if it does; else it returns end.
func (x *lexer) rawString(i, end int) int {
	word, rest := x.text[i:end], x.text[end:]
	switch {
	case x.features&lifetimes != 0 && (word == "r" || word == "br" || word == "cr"):
		hashes := len(rest) - len(strings.TrimLeft(rest, "#"))
		if strings.HasPrefix(rest[hashes:], `"`) {
			return x.rawEnd(i, end+hashes+1, `"`+rest[:hashes])
		}
	case x.features&delimiters != 0 && strings.HasSuffix(word, "R") && strings.HasPrefix(rest, `"`):
		if n := strings.IndexByte(rest[:min(len(rest), 20)], '('); n > 0 {
			return x.rawEnd(i, end+n+1, ")"+rest[1:n]+`"`)
		}
	}
	return end
}

// rawEnd notes the string that begins at i and ends with close, looked for from at on.
func (x *lexer) rawEnd(i, at int, close string) int {
	n := strings.Index(x.text[at:], close)
	if n < 0 {
		return x.span(i, len(x.text), true)
	}
	return x.span(i, at+n+len(close), true)
}

// bracket reads one byte, and counts it if it is a bracket.
func (x *lexer) bracket(i int) int {
	switch x.text[i] {
	case '(', '[', '{':
		x.depth++
	case ')', ']', '}':
		x.depth = max(0, x.depth-1)
		if n := len(x.holes); n > 0 && x.text[i] == '}' && x.depth <= x.holes[n-1] {
			x.holes = x.holes[:n-1]
			return x.template(i, i+1)
		}
	}
	return i + 1
}

// wordByte reports whether c can be part of a name.
func wordByte(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c >= utf8.RuneSelf
}
