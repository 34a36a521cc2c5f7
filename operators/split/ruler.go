package split

import "unicode/utf8"

// ruler measures ranges of one text.
type ruler interface {
	// at returns about how many units precede an offset. It never decreases, and costs little.
	at(offset int) int
	// units returns exactly how many units text[lo:hi] has when it stands alone.
	units(lo, hi int) int
}

// byteRuler measures code points of a text that is ASCII.
type byteRuler struct{}

func (byteRuler) at(offset int) int    { return offset }
func (byteRuler) units(lo, hi int) int { return hi - lo }

// runeStride is the distance in bytes between the offsets whose code points a runeRuler has counted.
const runeStride = 128

// runeRuler measures code points of any text.
type runeRuler struct {
	text  string
	marks []runeMark // one for every runeStride bytes
}

// runeMark is the first code point at or behind a multiple of runeStride: its offset, and how many are before it.
type runeMark struct{ offset, count int }

// reset counts the code points of text.
func (r *runeRuler) reset(text string) {
	r.text, r.marks = text, r.marks[:0]
	next, count := 0, 0
	for i := range text {
		if i >= next {
			r.marks = append(r.marks, runeMark{i, count})
			next += runeStride
		}
		count++
	}
	if len(text) >= next {
		r.marks = append(r.marks, runeMark{len(text), count})
	}
}

func (r *runeRuler) at(offset int) int {
	m := r.marks[offset/runeStride]
	if m.offset > offset {
		m = r.marks[offset/runeStride-1] // the offset is inside a code point
	}
	return m.count + utf8.RuneCountInString(r.text[m.offset:offset])
}

func (r *runeRuler) units(lo, hi int) int { return r.at(hi) - r.at(lo) }

// ascii reports whether text has no byte above 0x7F.
func ascii(text string) bool {
	for len(text) >= 8 {
		if (text[0]|text[1]|text[2]|text[3]|text[4]|text[5]|text[6]|text[7])&utf8.RuneSelf != 0 {
			return false
		}
		text = text[8:]
	}
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
