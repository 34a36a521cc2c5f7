package builtin

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// reader cuts texts into the words that BERT's uncased models see, and these into pieces. It is written on by one
// text after the other.
type reader struct {
	cleaned    []byte
	decomposed []byte
	word       []byte
	found      []uint16
}

// read returns the pieces of a text, which hold until the next is read.
func (r *reader) read(p *pieces, text string) []uint16 {
	r.found, r.word = r.found[:0], r.word[:0]
	if !isASCII(text) {
		r.decompose(text)
		for rest := r.decomposed; len(rest) > 0; {
			if c := rest[0]; c < utf8.RuneSelf {
				r.take(p, c)
				rest = rest[1:]
				continue
			}
			c, size := utf8.DecodeRune(rest)
			r.takeRune(p, c)
			rest = rest[size:]
		}
	} else {
		for i := range len(text) {
			r.take(p, text[i])
		}
	}
	r.end(p)
	return r.found
}

func isASCII(text string) bool {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		if eight(text, i)&0x8080_8080_8080_8080 != 0 {
			return false
		}
	}
	for ; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decompose writes the text cleaned, with a space on each side of every ideograph, in canonical decomposition.
func (r *reader) decompose(text string) {
	r.cleaned = r.cleaned[:0]
	for _, c := range text {
		switch {
		case c < utf8.RuneSelf:
			r.cleaned = append(r.cleaned, byte(c))
		case isIdeograph(c):
			r.cleaned = append(r.cleaned, ' ')
			r.cleaned = append(utf8.AppendRune(r.cleaned, c), ' ')
		case unicode.IsSpace(c) && c != 0x85:
			r.cleaned = append(r.cleaned, ' ')
		case c != utf8.RuneError && unicode.IsOneOf(assigned(), c):
			r.cleaned = utf8.AppendRune(r.cleaned, c)
		}
	}
	r.decomposed = norm.NFD.Append(r.decomposed[:0], r.cleaned...)
}

// take reads a character of ASCII.
func (r *reader) take(p *pieces, c byte) {
	switch kind := kinds[c]; {
	case kind > ' ':
		r.word = append(r.word, kind)
	case kind == ' ':
		r.end(p)
	case kind == mark:
		r.end(p)
		r.word = append(r.word, c)
		r.end(p)
	}
}

// takeRune reads any other character of a decomposed text.
func (r *reader) takeRune(p *pieces, c rune) {
	switch {
	case unicode.Is(unicode.Mn, c): // accents
	case unicode.Is(unicode.P, c):
		r.end(p)
		r.word = utf8.AppendRune(r.word, c)
		r.end(p)
	case unicode.IsSpace(c):
		r.end(p)
	default:
		r.word = utf8.AppendRune(r.word, unicode.ToLower(c))
	}
}

// end cuts the word that is over, if one is.
func (r *reader) end(p *pieces) {
	if len(r.word) > 0 {
		r.found = p.cut(r.found, r.word)
		r.word = r.word[:0]
	}
}

// What a character of ASCII is to the words around it, besides the lower case of a letter, a digit, or a space.
const (
	dropped = 0 // as if it were not there
	mark    = 1 // a word of its own
)

var kinds = func() (kinds [utf8.RuneSelf]byte) {
	for c := range byte(utf8.RuneSelf) {
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			kinds[c] = ' '
		case c < ' ' || c == 0x7f:
			kinds[c] = dropped
		case 'A' <= c && c <= 'Z':
			kinds[c] = c + 'a' - 'A'
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			kinds[c] = c
		default:
			kinds[c] = mark
		}
	}
	return kinds
}()

// assigned are the categories of characters that mean something: no controls, formats, surrogates, characters for
// private use, or such as do not exist.
func assigned() []*unicode.RangeTable {
	return []*unicode.RangeTable{unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z}
}

// isIdeograph reports the blocks of ideographs, which are written without spaces: each is a word.
func isIdeograph(c rune) bool {
	return 0x4e00 <= c && c <= 0x9fff || 0x3400 <= c && c <= 0x4dbf || 0x20000 <= c && c <= 0x2a6df ||
		0x2a700 <= c && c <= 0x2b73f || 0x2b740 <= c && c <= 0x2b81f || 0x2b920 <= c && c <= 0x2ceaf ||
		0xf900 <= c && c <= 0xfaff || 0x2f800 <= c && c <= 0x2fa1f
}
