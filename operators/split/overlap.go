package split

import "unicode/utf8"

// repeat returns where a chunk begins that repeats the end of the part before it: at the earliest line or sentence
// within Overlap, if that is at least half of it, else at the earliest word, else at its own start. It never repeats the
// whole part before it: that would make one chunk a part of the other.
func (t *tree) repeat(before, own span, o Options) int {
	word, line := own.lo, own.lo
	for at := own.lo; at > before.lo; {
		at = t.wordBefore(before.lo, at)
		if at == before.lo || t.ruler.units(at, before.hi) > o.Overlap || t.ruler.units(at, own.hi) > o.Size {
			break
		}
		if t.natural(at) {
			word = at
			if t.opensSentence(before.lo, at) {
				line = at
			}
		}
	}
	if line < before.hi && 2*t.ruler.units(line, before.hi) >= o.Overlap {
		return line
	}
	return word
}

// wordBefore returns the start of the last word of text[lo:at]. A word of an ideographic script is one code point.
func (t *tree) wordBefore(lo, at int) int {
	at = trimRight(t.text, lo, at)
	for at > lo {
		r, n := utf8.DecodeLastRuneInString(t.text[lo:at])
		if breakable(r) {
			break
		}
		at -= n
		if ideographic(r) {
			break
		}
	}
	return at
}

// natural reports whether a chunk may begin at an offset where a word of wordBefore begins.
func (t *tree) natural(at int) bool {
	return between(t.text, at) && !whiteAt(t.text, at)
}

// opensSentence reports whether a line or a sentence begins at an offset.
func (t *tree) opensSentence(lo, at int) bool {
	end := trimRight(t.text, lo, at)
	for i := end; i < at; i++ {
		if t.text[i] == '\n' {
			return true
		}
	}
	for end > lo {
		r, n := utf8.DecodeLastRuneInString(t.text[lo:end])
		if r < utf8.RuneSelf && end < at && sentenceMarks>>uint(r)&1 == 1 && r <= '?' || wideSentenceEnd(r) {
			return true
		}
		if next := end - n; skipClosers(t.text, next, end) != end {
			return false
		}
		end -= n
	}
	return false
}
