package split

import (
	"sync"

	"github.com/yuin/goldmark/parser"
)

// Chunk is a piece of a text.
type Chunk struct {
	// Text is a substring of the text that was split: it shares its memory.
	Text string
	// Start and End are the byte offsets of Text in the text that was split.
	Start, End int
	// Heading is the path of Markdown headings over the chunk, outermost first, as in "Guide > Install". It is
	// empty before the first heading and for everything else than Markdown.
	Heading string
}

// Splitter splits texts. It is safe for concurrent use.
type Splitter struct {
	options  Options
	tokens   *tokenCounter // nil unless the unit is Tokens
	markdown parser.Parser // nil unless splitting by Markdown
	scratch  sync.Pool     // of *scratch
}

// scratch is the memory of one call of Split.
type scratch struct {
	tree     tree
	runes    runeRuler
	tokens   tokenRuler
	headings []heading
	lines    []line
}

// scratchMax is the number of borders above which the memory of a call is not kept.
const scratchMax = 1 << 16

// New returns a Splitter for the options. The error is OptionErrors. With Tokens the first New of a process takes
// about a hundred milliseconds to load the vocabulary.
func New(o Options) (*Splitter, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Splitter{options: o.withDefaults()}
	if o.Unit == Tokens {
		s.tokens = newTokenCounter()
	}
	if o.By == Markdown {
		s.markdown = newMarkdownParser()
	}
	s.scratch.New = func() any { return new(scratch) }
	return s, nil
}

// Options returns the options that the Splitter was made from, with the defaults filled in.
func (s *Splitter) Options() Options { return s.options }

// Split calls yield with each chunk of text in order, until it returns false.
func (s *Splitter) Split(text string, yield func(Chunk) bool) {
	lo := trimLeft(text, 0, len(text))
	all := span{lo, trimRight(text, lo, len(text))}
	if all.lo == all.hi {
		return
	}
	// No unit is smaller than a byte, so this needs no measuring.
	if all.hi-all.lo <= s.options.Size && (s.options.By != Markdown || !mayHaveHeading(text)) {
		yield(Chunk{Text: text[all.lo:all.hi], Start: all.lo, End: all.hi})
		return
	}
	mem := s.scratch.Get().(*scratch)
	s.split(mem, text, all, yield)
	if cap(mem.tree.borders) <= scratchMax {
		mem.forget()
		s.scratch.Put(mem)
	}
}

// forget lets go of the text, so that kept memory holds no document.
func (m *scratch) forget() {
	m.tree.text, m.tree.ruler = "", nil
	m.runes.text, m.tokens.text = "", ""
	clear(m.headings[:cap(m.headings)])
}

// split cuts a text that is not known to fit.
func (s *Splitter) split(mem *scratch, text string, all span, yield func(Chunk) bool) {
	t := &mem.tree
	t.text, t.borders, t.parts, mem.headings = text, t.borders[:0], t.parts[:0], mem.headings[:0]
	t.ruler = s.measure(mem, text)

	s.structure(mem, all)
	if t.ruler.units(all.lo, all.hi) <= s.options.Size && !t.sections(0, len(t.borders)) {
		t.parts = append(t.parts, part{span: all})
	} else {
		t.size = s.options.Size - s.options.Overlap
		t.cut(all, 0, len(t.borders), betweenParagraphs+1, 0)
	}
	for i, p := range t.parts {
		start := p.lo
		if i > 0 && s.options.Overlap > 0 && !p.section {
			start = t.repeat(t.parts[i-1].span, p.span, s.options)
		}
		if !yield(Chunk{text[start:p.hi], start, p.hi, path(mem.headings, p.span)}) {
			return
		}
	}
}

// measure returns the ruler for a text.
func (s *Splitter) measure(mem *scratch, text string) ruler {
	switch {
	case s.tokens != nil:
		mem.tokens.reset(text, s.tokens)
		return &mem.tokens
	case ascii(text):
		return byteRuler{}
	default:
		mem.runes.reset(text)
		return &mem.runes
	}
}

// structure finds the borders that are not found by reading prose.
func (s *Splitter) structure(mem *scratch, all span) {
	t := &mem.tree
	switch s.options.By {
	case Markdown:
		t.borders, mem.headings = appendMarkdown(t.borders, mem.headings, s.markdown, t.text, all)
	case Code:
		t.borders, mem.lines = appendCode(t.borders, mem.lines[:0], t.text, all, s.options.Language)
	case Sentence:
		t.borders = appendSentences(t.borders, t.text, all)
	case Recursive:
	}
}
