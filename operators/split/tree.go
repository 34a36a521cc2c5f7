package split

// span is a range of the text without white space around it.
type span struct{ lo, hi int }

// part is a chunk in the making, before overlap.
type part struct {
	span
	section bool // a heading of level one or two begins it, so nothing before it may be repeated in it
}

// tree cuts one text. It is the memory of one call, reused by later ones.
type tree struct {
	text  string
	size  int // the most units of a part
	ruler ruler

	// borders is a stack: those of the whole text first, then those of the span that is being cut.
	borders []border
	parts   []part
}

// deepest is the depth of cuts of one strength from which the middle is cut and not what the hash says. Texts
// do not get there, unless somebody made one for it.
const deepest = 48

// cut appends the parts of a span to t.parts. t.borders[i:j] are the borders inside it that are still to be used; when
// they are used up, borders weaker than s are looked for in the text.
func (t *tree) cut(in span, i, j int, s strength, depth int) {
	if t.fits(in) && !t.sections(i, j) {
		t.parts = append(t.parts, part{span: in})
		return
	}
	base := len(t.borders)
	if !t.usable(in, i, j) {
		from := in.lo
		if i < j {
			from = t.borders[j-1].start // behind the headings
		}
		weaker := t.look(span{from, in.hi}, s)
		switch {
		case len(t.borders) == base && i == j: // a single code point, larger than the size
			t.parts = append(t.parts, part{span: in})
			return
		case i == j || weaker >= betweenWords:
			i, j, s, depth = base, len(t.borders), weaker, 0
		default: // rather than inside a word, cut behind the heading
			t.borders = t.borders[:base]
		}
	}

	k := t.choose(in, i, j, depth)
	at := t.borders[k]
	t.cut(span{in.lo, at.end}, i, k, s, depth+1)
	mark := len(t.parts)
	t.cut(span{at.start, in.hi}, k+1, j, s, depth+1)
	t.borders = t.borders[:base]
	if at.strength == betweenSections {
		t.parts[mark].section = true
	}
	t.join(mark, at.strength)
}

// look pushes the borders of the greatest strength below s that the text of a span has, and returns it.
func (t *tree) look(in span, s strength) strength {
	for base := len(t.borders); len(t.borders) == base && s > betweenRunes; {
		s--
		if s == betweenSampled && t.size < sampleFrom {
			continue
		}
		t.borders = appendProse(t.borders, t.text, in.lo, in.hi, s)
	}
	return s
}

// sampleFrom is the size from which the inside of a word is cut at sampled places only.
const sampleFrom = 128

// fits reports whether a span can be one part. A span that is clearly too large is not measured exactly.
func (t *tree) fits(in span) bool {
	return t.ruler.at(in.hi)-t.ruler.at(in.lo) <= 2*t.size+8 && t.ruler.units(in.lo, in.hi) <= t.size
}

// sections reports whether a heading that must be cut at is among the borders.
func (t *tree) sections(i, j int) bool {
	for _, b := range t.borders[i:j] {
		if b.strength == betweenSections {
			return true
		}
	}
	return false
}

// usable reports whether the span is to be cut at one of the borders, and not in the text without any or in that which
// follows its headings: borders behind a heading are used only where the text behind them is whole, or the headings are long.
func (t *tree) usable(in span, i, j int) bool {
	if i == j {
		return false
	}
	for _, b := range t.borders[i:j] {
		if b.strength != afterHeading && b.strength != afterHeadingAtomic {
			return true
		}
	}
	last := t.borders[j-1]
	if last.strength == afterHeadingAtomic && t.fits(span{last.start, in.hi}) {
		return true
	}
	return 2*(t.ruler.at(last.end)-t.ruler.at(in.lo)) > t.size
}

// choose returns the border at which to cut a span: of the strongest ones that leave enough on both sides the one
// with the greatest key.
func (t *tree) choose(in span, i, j, depth int) int {
	if depth > deepest {
		return (i + j) / 2
	}
	lo, hi := t.ruler.at(in.lo), t.ruler.at(in.hi)
	least := t.size / 2
	if hi-lo <= 2*t.size {
		least = hi - lo - t.size // then both sides fit
	}
	top := strength(0)
	for _, b := range t.borders[i:j] {
		top = max(top, b.strength)
	}
	from, to := t.window(i, j, lo+least, hi-least)
	if k := t.greatest(from, to, top); k >= 0 {
		return k
	}
	return t.greatest(i, j, top)
}

// window returns the range of t.borders[i:j] that lie between two positions, in units.
func (t *tree) window(i, j, lo, hi int) (from, to int) {
	search := func(enough func(border) bool) int {
		a, b := i, j
		for a < b {
			if m := (a + b) / 2; enough(t.borders[m]) {
				b = m
			} else {
				a = m + 1
			}
		}
		return a
	}
	from = search(func(b border) bool { return t.ruler.at(b.start) >= lo })
	to = search(func(b border) bool { return t.ruler.at(b.end) > hi })
	return from, max(from, to)
}

// greatest returns the border of one strength with the greatest key in t.borders[i:j], or -1. Of those with equal
// wide keys the one nearest the middle is taken: in a text that repeats itself this keeps the tree shallow.
func (t *tree) greatest(i, j int, s strength) int {
	best := -1
	for k := i; k < j; k++ {
		b := &t.borders[k]
		if b.strength != s {
			continue
		}
		if best < 0 || b.key > t.borders[best].key {
			best = k
			continue
		}
		if b.key < t.borders[best].key {
			continue
		}
		wide, bestWide := b.wideKey(t.text), t.borders[best].wideKey(t.text)
		if wide > bestWide || wide == bestWide && max(2*k-i-j, i+j-2*k) < max(2*best-i-j, i+j-2*best) {
			best = k
		}
	}
	return best
}

// tiny is the part of size below which a section is joined with its neighbour.
const tiny = 8

// join makes one part of the two beside a cut, if they fit together. Sections stay apart unless one is tiny.
func (t *tree) join(mark int, s strength) {
	left, right := &t.parts[mark-1], t.parts[mark]
	both := span{left.lo, right.hi}
	if !t.fits(both) {
		return
	}
	if s == betweenSections && !t.tiny(left.span) && !t.tiny(right.span) {
		return
	}
	left.hi = right.hi
	t.parts = append(t.parts[:mark], t.parts[mark+1:]...)
}

func (t *tree) tiny(in span) bool {
	return t.ruler.at(in.hi)-t.ruler.at(in.lo) < t.size/tiny
}
