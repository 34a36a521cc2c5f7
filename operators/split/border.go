package split

import (
	"unicode"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
)

// strength orders borders: a text is cut at its strongest ones. Prose borders are found by reading on demand, one
// strength after the other; structural ones (above paragraph) are found in one pass over the whole text.
type strength uint8

const (
	betweenRunes strength = iota + 1
	betweenClusters
	// betweenSampled is a thinned selection of cluster borders, so that a huge word costs little memory.
	betweenSampled
	// betweenJoints is inside a word beside punctuation, as in a URL or in minified code.
	betweenJoints
	betweenWords
	betweenClauses
	// betweenWraps is at the end of a line that goes on in the next one: prose that was wrapped at a margin.
	betweenWraps
	betweenSentences
	betweenLines
	betweenParagraphs

	// afterHeading binds a heading to the text that follows it; afterHeadingAtomic to a block that is better whole.
	afterHeading
	afterHeadingAtomic
	// structure is the weakest strength that code and Markdown give to their own borders.
	structure
	// betweenSections is the strongest: it is cut even where both sides would fit into one chunk.
	betweenSections strength = 255
)

// border is a place where the text may be cut. The white space around it belongs to neither side.
type border struct {
	end, start int      // the left side ends at text[end], the right side starts at text[start]
	key        uint32   // hash of the text around it: the same wherever the text is
	strength   strength // how good a place it is
}

// The bytes around a border that its key covers. An edit further away does not move the cut. Where keys are equal,
// as in tables of generated code, wide keys decide.
const (
	keyBefore, keyAfter   = 16, 24
	wideBefore, wideAfter = 64, 192
)

// newBorder returns the border whose left side ends at end and whose right side begins at start.
func newBorder(text string, end, start int, s strength) border {
	around := text[max(0, end-keyBefore):min(len(text), start+keyAfter)]
	return border{end: end, start: start, key: uint32(xxh3.HashString(around) >> 32), strength: s}
}

// wideKey returns a hash of more of the text around the border than its key covers.
func (b border) wideKey(text string) uint64 {
	return xxh3.HashString(text[max(0, b.end-wideBefore):min(len(text), b.start+wideAfter)])
}

// borderAt returns the border in the white space around offset, within text[lo:hi]. It is none when one
// side has nothing but white space.
func borderAt(text string, lo, hi, offset int, s strength) (b border, ok bool) {
	end, start := trimRight(text, lo, offset), trimLeft(text, offset, hi)
	if end == lo || start == hi {
		return border{}, false
	}
	return newBorder(text, end, start, s), true
}

// trimLeft returns the offset of the first code point of text[lo:hi] that is not white space, or hi.
func trimLeft(text string, lo, hi int) int {
	for lo < hi {
		if c := text[lo]; c < utf8.RuneSelf {
			if !asciiSpace(c) {
				return lo
			}
			lo++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[lo:hi])
		if !unicode.IsSpace(r) {
			return lo
		}
		lo += n
	}
	return hi
}

// trimRight returns the offset behind the last code point of text[lo:hi] that is not white space, or lo.
func trimRight(text string, lo, hi int) int {
	for hi > lo {
		if c := text[hi-1]; c < utf8.RuneSelf {
			if !asciiSpace(c) {
				return hi
			}
			hi--
			continue
		}
		r, n := utf8.DecodeLastRuneInString(text[lo:hi])
		if !unicode.IsSpace(r) {
			return hi
		}
		hi -= n
	}
	return lo
}

// asciiSpace is unicode.IsSpace for ASCII.
func asciiSpace(c byte) bool {
	return c == ' ' || c-'\t' < 5
}

// breakable reports whether a line may be broken at this white space: not at a no-break space.
func breakable(r rune) bool {
	return unicode.IsSpace(r) && r != 0xA0 && r != 0x2007 && r != 0x202F
}

// extends reports whether a code point can continue the grapheme cluster of an ordinary one before it.
func extends(r rune) bool {
	if r < 0x300 {
		return false
	}
	return unicode.In(r, unicode.M, unicode.Other_Grapheme_Extend) || r == 0x200D || r == 0xE33 || r == 0xEB3 ||
		0x1F3FB <= r && r <= 0x1F3FF || 0xE0020 <= r && r <= 0xE007F
}

// prepends reports whether a code point forms a grapheme cluster with the one behind it.
func prepends(r rune) bool {
	if r < 0x600 {
		return false
	}
	switch r {
	case 0xD4E, 0x111C2, 0x111C3, 0x113D1, 0x1193F, 0x11941, 0x11A3A, 0x11D46, 0x11F02:
		return true
	}
	return 0x11A84 <= r && r <= 0x11A89 || unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

// ideographic reports whether a code point is of a script that puts no space between words.
func ideographic(r rune) bool {
	return r >= 0x2E80 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}
