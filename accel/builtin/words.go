package builtin

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// read counts the features of a text.
func (n *notebook) read(text string) {
	n.decompose(text)
	n.word = n.word[:0]
	previous := uint64(0) // the word before; 0 before the first
	for rest := n.folded; len(rest) > 0; {
		r, size := rune(rest[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(rest)
		}
		rest = rest[size:]
		folded, kind := fold(r)
		switch kind {
		case letter:
			n.word = append(n.word, folded)
		case ideograph:
			// Written without spaces: each is a word, and neighbours are pairs.
			previous = n.end(previous)
			n.word = append(n.word, folded)
			if mark, size := utf8.DecodeRune(rest); isVoicing(mark) {
				n.word = append(n.word, mark)
				rest = rest[size:]
			}
			previous = n.count(kindWord, previous)
		case between:
			previous = n.end(previous)
		}
	}
	n.end(previous)
}

// decompose writes the canonical decomposition of the text: composed and decomposed forms become one,
// and diacritics stand alone.
func (n *notebook) decompose(text string) {
	done := norm.NFD.QuickSpanString(text)
	n.folded = append(n.folded[:0], text[:done]...)
	if done < len(text) {
		for n.forms.InitString(norm.NFD, text[done:]); !n.forms.Done(); {
			n.folded = append(n.folded, n.forms.Next()...)
		}
	}
}

// end counts the word that is over, if one is. It returns what is the word before from now on.
func (n *notebook) end(previous uint64) uint64 {
	switch len(n.word) {
	case 0:
		return previous
	case 1, 2:
		return n.count(kindTiny, previous)
	case 3:
		return n.count(kindShort, previous)
	}
	// The triples of a word, with an edge before its first and after its last letter.
	const edge = '^'
	a, b := rune(edge), n.word[0]
	for _, c := range n.word[1:] {
		n.triple(a, b, c)
		a, b = b, c
	}
	n.triple(a, b, edge)
	return n.count(kindWord, previous)
}

func (n *notebook) triple(a, b, c rune) {
	// A rune has 21 bits, so three fit.
	n.counts.add(finish(uint64(a)<<42|uint64(b)<<21|uint64(c)), kindTriple)
}

// count adds the word that has been read, and its pair with the one before.
func (n *notebook) count(kind, previous uint64) uint64 {
	h := uint64(seed)
	for _, r := range n.word {
		h = mix(h, uint64(r))
	}
	h = finish(h)
	n.word = n.word[:0]
	n.counts.add(h, kind)
	if previous != 0 {
		n.counts.add(finish(mix(previous, h)), kindPair)
	}
	return h
}

// runeKind is what a character does to the word around it.
type runeKind uint8

const (
	between runeKind = iota
	letter
	ideograph
	dropped
)

// fold returns the letter that stands for all cases of a letter, and what the character is.
func fold(r rune) (rune, runeKind) {
	switch {
	case 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_':
		return r, letter
	case 'A' <= r && r <= 'Z':
		return r + 'a' - 'A', letter
	case r < utf8.RuneSelf:
		return r, between
	case 0x300 <= r && r <= 0x36f:
		return r, dropped // the diacritics that decomposition has set apart
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana):
		return r, ideograph
	case unicode.IsLetter(r):
		return unicode.ToLower(unicode.ToUpper(r)), letter // one form for final and other sigmas as well
	case unicode.IsNumber(r), unicode.IsMark(r):
		return r, letter
	}
	return r, between
}

// isVoicing reports the marks that decomposition takes off a kana.
func isVoicing(r rune) bool { return r == 0x3099 || r == 0x309a }
