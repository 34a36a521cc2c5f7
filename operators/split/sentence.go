package split

import (
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// appendSentences appends the borders between the sentences of UAX #29. That standard ends a sentence at every line
// end; here one ends there only before a blank line, so that hard-wrapped text is not cut at its right margin.
func appendSentences(to []border, text string, in span) []border {
	it := sentences.FromString(text[in.lo:in.hi])
	for next := in.lo; it.Next(); {
		at := in.lo + it.End()
		if at <= next {
			continue // in the white space behind the last border
		}
		b, ok := borderAt(text, in.lo, in.hi, at, structure)
		if !ok {
			continue
		}
		if next = b.start; between(text, next) && endsSentence(text, in.lo, b) {
			to = append(to, b)
		}
	}
	return to
}

// endsSentence reports whether a border found by UAX #29 is more than a line end.
func endsSentence(text string, lo int, b border) bool {
	gap := text[b.end:b.start]
	if strings.Count(gap, "\n") != 1 {
		return true
	}
	for end := b.end; end > lo; {
		r, n := utf8.DecodeLastRuneInString(text[lo:end])
		if r <= '?' && sentenceMarks>>uint(r)&1 == 1 || wideSentenceEnd(r) {
			return true
		}
		if skipClosers(text, end-n, end) != end {
			return false
		}
		end -= n
	}
	return false
}
