package builtin

import (
	_ "embed"
	"strings"
	"unicode/utf8"
)

// vocabulary names the piece of each row, a line each. A piece that continues a word begins with ##.
//
//go:embed vocab.txt
var vocabulary string

const (
	// longestWord is the length of the longest word that is cut into pieces, in characters.
	longestWord = 100
	continues   = "##"
)

// pieces finds the pieces of words.
type pieces struct {
	first   map[string]uint16 // those that begin a word, and whole words
	inner   map[string]uint16 // those that continue one, without their mark
	longest int               // bytes of the longest
}

func newPieces(vocabulary string) *pieces {
	p := &pieces{first: make(map[string]uint16, rows), inner: make(map[string]uint16, rows/4)}
	row := uint16(0)
	for name := range strings.Lines(vocabulary) {
		name = strings.TrimSuffix(name, "\n")
		inner, isInner := strings.CutPrefix(name, continues)
		if isInner && inner != "" {
			p.inner[inner] = row
		} else {
			p.first[name] = row
		}
		p.longest = max(p.longest, len(name))
		row++
	}
	return p
}

// cut appends the pieces of a word, the longest first. A word with a part that is none has no pieces at all.
func (p *pieces) cut(found []uint16, word []byte) []uint16 {
	if whole, ok := p.first[string(word)]; ok {
		return append(found, whole)
	}
	if len(word) > longestWord && utf8.RuneCount(word) > longestWord {
		return found
	}
	before := len(found)
	known := p.first
	for len(word) > 0 {
		size := p.longestPrefix(known, word)
		if size == 0 {
			return found[:before]
		}
		found = append(found, known[string(word[:size])])
		word, known = word[size:], p.inner
	}
	return found
}

// longestPrefix is the length of the longest known prefix of a word; 0 where there is none.
func (p *pieces) longestPrefix(known map[string]uint16, word []byte) int {
	for size := min(len(word), p.longest); size > 0; size-- {
		if _, ok := known[string(word[:size])]; ok {
			return size
		}
	}
	return 0
}
