package split

import (
	"strings"
	"sync/atomic"

	"github.com/tiktoken-go/tokenizer/codec"
	"github.com/zeebo/xxh3"
)

// tokenCounter counts the tokens of words. It remembers the counts of short ones.
type tokenCounter struct {
	codec *codec.Codec
	seen  [1 << 16]atomic.Pointer[countedWord] // by hash, in one of two places; a new word takes that of an old one
}

type countedWord struct {
	text  string
	count int
}

// rememberedMax is the length in bytes up to which a word's count is remembered, so that the memory of all is bounded.
const rememberedMax = 64

func newTokenCounter() *tokenCounter {
	return &tokenCounter{codec: codec.NewCl100kBase()}
}

// word returns the number of tokens of one piece as nextPiece cuts it.
func (c *tokenCounter) word(text string) int {
	if len(text) == 1 {
		return 1 // every byte is a token
	}
	if len(text) > rememberedMax {
		return c.encode(text)
	}
	hash := xxh3.HashString(text)
	first := hash % uint64(len(c.seen))
	slots := [2]*atomic.Pointer[countedWord]{&c.seen[first], &c.seen[first^1]}
	free := slots[hash>>63]
	for _, slot := range slots {
		w := slot.Load()
		if w == nil {
			free = slot
			break
		}
		if w.text == text {
			return w.count
		}
	}
	n := c.encode(text)
	free.Store(&countedWord{strings.Clone(text), n})
	return n
}

// encode asks the vocabulary. The codec passes over U+007F, which is a token of its own.
func (c *tokenCounter) encode(text string) int {
	sum := 0
	for {
		before, after, found := strings.Cut(text, "\x7f")
		n, err := c.codec.Count(before)
		if err != nil {
			// Only an expression with a time limit and the strict mode can fail; neither is set.
			panic("count tokens: " + err.Error())
		}
		sum += n
		if !found {
			return sum
		}
		sum++
		text = after
	}
}

// text returns the number of tokens of a text.
func (c *tokenCounter) text(text string) int {
	sum := 0
	for len(text) > 0 {
		n := nextPiece(text)
		sum += c.word(text[:n])
		text = text[n:]
	}
	return sum
}

// tokenRuler measures tokens of one text.
type tokenRuler struct {
	text    string
	counter *tokenCounter
	starts  []int // the offset of each piece, and the end of the text
	sums    []int // sums[i] is the number of tokens before starts[i]
}

// reset counts the tokens of text.
func (r *tokenRuler) reset(text string, c *tokenCounter) {
	r.text, r.counter = text, c
	r.starts, r.sums = r.starts[:0], r.sums[:0]
	sum := 0
	for i := 0; i < len(text); {
		r.starts, r.sums = append(r.starts, i), append(r.sums, sum)
		n := nextPiece(text[i:])
		sum += c.word(text[i : i+n])
		i += n
	}
	r.starts, r.sums = append(r.starts, len(text)), append(r.sums, sum)
}

// piece returns the index of the last piece that starts at or before offset.
func (r *tokenRuler) piece(offset int) int {
	a, b := 0, len(r.starts)
	for a+1 < b {
		if m := (a + b) / 2; r.starts[m] <= offset {
			a = m
		} else {
			b = m
		}
	}
	return a
}

// at counts an offset inside a piece in proportion.
func (r *tokenRuler) at(offset int) int {
	i := r.piece(offset)
	start := r.starts[i]
	if start == offset {
		return r.sums[i]
	}
	tokens, size := r.sums[i+1]-r.sums[i], r.starts[i+1]-start
	return r.sums[i] + tokens*(offset-start)/size
}

// units counts anew only the pieces that a cut changes. How a piece is found depends on nothing before it, so
// from the first piece of the range that ends where one of the text ends they are the same, up to the one that hi
// cuts short.
func (r *tokenRuler) units(lo, hi int) int {
	sum, at := 0, lo
	k := r.piece(at)
	last := r.piece(hi)
	for r.starts[k] != at {
		n := nextPiece(r.text[at:hi])
		sum += r.counter.word(r.text[at : at+n])
		at += n
		if at == hi {
			return sum
		}
		for k < last && r.starts[k] < at {
			k++
		}
		if k == last && r.starts[k] != at {
			return sum + r.counter.text(r.text[at:hi])
		}
	}
	return sum + r.sums[last] - r.sums[k] + r.counter.text(r.text[r.starts[last]:hi])
}
