package split

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// appendProse appends the borders of one strength inside text[lo:hi], in order. Both ends of the range are not
// white space.
func appendProse(to []border, text string, lo, hi int, s strength) []border {
	switch s {
	case betweenParagraphs, betweenLines, betweenWraps:
		return appendLines(to, text, lo, hi, s)
	case betweenSentences, betweenClauses:
		return appendMarks(to, text, lo, hi, s)
	case betweenWords:
		return appendWords(to, text, lo, hi)
	case betweenJoints:
		return appendJoints(to, text, lo, hi)
	case betweenSampled, betweenClusters:
		return appendClusters(to, text, lo, hi, s)
	default:
		return appendRunes(to, text, lo, hi)
	}
}

// appendLines appends the ends of lines: for betweenParagraphs those that a blank line follows, for betweenLines those
// that are no wraps, for betweenWraps all.
func appendLines(to []border, text string, lo, hi int, s strength) []border {
	for i := lo; ; {
		n := strings.IndexByte(text[i:hi], '\n')
		if n < 0 {
			return to
		}
		n += i
		i = trimLeft(text, n+1, hi)
		if s == betweenParagraphs && strings.IndexByte(text[n+1:i], '\n') < 0 {
			continue
		}
		end := trimRight(text, lo, n)
		if s == betweenLines && wrapped(text, end, i) {
			continue
		}
		to = append(to, newBorder(text, end, i, s))
	}
}

// wrapped reports whether a line goes on in the next one: it ends with a word or a comma, and the next one begins with a
// small letter and without an indent.
func wrapped(text string, end, start int) bool {
	if c := text[end-1]; !wordByte(c) && c != ',' || text[start-1] != '\n' {
		return false
	}
	r, _ := utf8.DecodeRuneInString(text[start:])
	return unicode.IsLower(r)
}

// appendMarks appends the places behind punctuation that ends a sentence, or a clause.
func appendMarks(to []border, text string, lo, hi int, s strength) []border {
	marks, wide := sentenceMarks, wideSentenceEnd
	if s == betweenClauses {
		marks, wide = clauseMarks, wideClauseEnd
	}
	for i := lo; i < hi; {
		if c := text[i]; c < utf8.RuneSelf {
			i++
			if c > '?' || marks>>c&1 == 0 {
				continue
			}
			end := skipClosers(text, i, hi)
			start := trimLeft(text, end, hi)
			mark := i - 1
			i = start
			if start == end || start == hi || !canStart(text, start) || c == '.' && abbreviation(text, lo, mark, start) {
				continue
			}
			to = append(to, newBorder(text, end, start, s))
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:hi])
		i += n
		if !wide(r) {
			continue
		}
		end := skipClosers(text, i, hi)
		start := trimLeft(text, end, hi)
		if i = start; start < hi && canStart(text, start) {
			to = append(to, newBorder(text, end, start, s))
		}
	}
	return to
}

// Sets of ASCII marks, one bit for each.
const (
	sentenceMarks uint64 = 1<<'.' | 1<<'!' | 1<<'?'
	clauseMarks   uint64 = 1<<',' | 1<<';' | 1<<':'
)

// wideSentenceEnd reports punctuation that ends a sentence without a space behind it.
func wideSentenceEnd(r rune) bool {
	switch r {
	case '。', '！', '？', '｡', '؟', '۔', '।', '॥':
		return true
	}
	return false
}

// wideClauseEnd reports punctuation that ends a clause without a space behind it.
func wideClauseEnd(r rune) bool {
	switch r {
	case '，', '、', '；', '：', '､', '،', '؛':
		return true
	}
	return false
}

// skipClosers skips quotes and brackets that belong to the sentence before them.
func skipClosers(text string, i, hi int) int {
	for i < hi {
		r, n := utf8.DecodeRuneInString(text[i:hi])
		if !strings.ContainsRune(".!?\"')]}*_’”»」』）】〉》。！？", r) {
			break
		}
		i += n
	}
	return i
}

// canStart reports that the code point at i begins a grapheme cluster, whatever white space or punctuation is before.
func canStart(text string, i int) bool {
	if text[i] < utf8.RuneSelf {
		return true
	}
	r, _ := utf8.DecodeRuneInString(text[i:])
	return !extends(r)
}

// between reports that the offset i lies between two grapheme clusters, where a word or a sentence ends at it.
func between(text string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:i])
	return canStart(text, i) && !prepends(before)
}

// abbreviation reports whether the full stop at dot ends no sentence: the next word is in lower case, or what stands
// before it is one letter or a title.
func abbreviation(text string, lo, dot, next int) bool {
	if r, _ := utf8.DecodeRuneInString(text[next:]); unicode.IsLower(r) {
		return true
	}
	if dot == lo {
		return false
	}
	r, n := utf8.DecodeLastRuneInString(text[lo:dot])
	if !unicode.IsLetter(r) {
		return false
	}
	word := text[max(lo, dot-4):dot]
	word = word[strings.LastIndexAny(word, " \t\n(")+1:]
	switch word {
	case "Mr", "Mrs", "Ms", "Dr", "St", "Prof", "Fig", "cf", "vs":
		return true
	}
	before, _ := utf8.DecodeLastRuneInString(text[lo : dot-n])
	return dot-n == lo || !unicode.IsLetter(before) && !unicode.IsDigit(before)
}

// appendWords appends the places between words: white space, and any place between two ideographs.
func appendWords(to []border, text string, lo, hi int) []border {
	prev := rune(0)
	for i := lo; i < hi; {
		if c := text[i]; c < utf8.RuneSelf && !asciiSpace(c) {
			prev = 0
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:hi])
		switch {
		case breakable(r):
			start := trimLeft(text, i, hi)
			if canStart(text, start) {
				to = append(to, newBorder(text, trimRight(text, lo, i), start, betweenWords))
			}
			prev, i = 0, start
			continue
		case ideographic(r):
			if prev != 0 {
				to = append(to, newBorder(text, i, i, betweenWords))
			}
			prev = r
		default:
			prev = 0
		}
		i += n
	}
	return to
}

// appendJoints appends the places behind a punctuation mark inside a word.
func appendJoints(to []border, text string, lo, hi int) []border {
	for i := lo + 1; i < hi; i++ {
		if c := text[i-1]; joint(c) && !joint(text[i]) && !whiteAt(text, i) && canStart(text, i) {
			to = append(to, newBorder(text, i, i, betweenJoints))
		}
	}
	return to
}

// joint reports whether c is punctuation of ASCII.
func joint(c byte) bool {
	return '!' <= c && c <= '/' || ':' <= c && c <= '@' || '[' <= c && c <= '`' || '{' <= c && c <= '~'
}

func whiteAt(text string, i int) bool {
	return trimLeft(text, i, len(text)) != i
}

// sampleMask thins cluster borders to one in 16.
const sampleMask = 15

// appendClusters appends the places between grapheme clusters; for betweenSampled those few that a hash selects, so
// that the selection moves with the text.
func appendClusters(to []border, text string, lo, hi int, s strength) []border {
	it := graphemes.FromString(text[lo:hi])
	for next := lo; it.Next(); {
		at := lo + it.End()
		if at <= next || at == hi {
			continue
		}
		b, ok := borderAt(text, lo, hi, at, s)
		if next = max(at, b.start); ok && (s == betweenClusters || b.key&sampleMask == 0) {
			to = append(to, b)
		}
	}
	return to
}

// appendRunes appends the places between code points.
func appendRunes(to []border, text string, lo, hi int) []border {
	for i := lo; ; {
		_, n := utf8.DecodeRuneInString(text[i:hi])
		b, ok := borderAt(text, lo, hi, i+n, betweenRunes)
		if !ok {
			return to // text[lo:hi] ends with what is not white space, so this is its end
		}
		to = append(to, b)
		i = b.start
	}
}
