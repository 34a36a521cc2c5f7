package split

import (
	"unicode"
	"unicode/utf8"
)

// nextPiece returns the length in bytes of the first piece of a text that is not empty. cl100k_base cuts a text into
// pieces before it merges bytes inside each of them, so that counts of pieces add up. Its rule, first match wins:
//
//	's 't 're 've 'm 'll 'd                a contraction, in any case
//	[^\r\n\p{L}\p{N}]?\p{L}+               letters, with one other character before them
//	\p{N}{1,3}                             up to three digits
//	 ?[^\s\p{L}\p{N}]+[\r\n]*              marks, with one space before and line ends behind
//	\s*[\r\n]+                             white space up to its last line end
//	\s+(?!\S)                              white space, less its last one if something follows
//	\s+                                    white space
func nextPiece(text string) int {
	r, n := decode(text)
	if r == '\'' {
		if end := contraction(text); end > 0 {
			return end
		}
	}
	c := classOf(r)
	switch c {
	case letter:
		return skipClass(text, n, letter)
	case digit:
		for range 2 {
			r, m := decode(text[n:])
			if m == 0 || classOf(r) != digit {
				break
			}
			n += m
		}
		return n
	}
	next, m := decode(text[n:])
	if m > 0 && r != '\r' && r != '\n' && classOf(next) == letter {
		return skipClass(text, n+m, letter)
	}
	if c == mark {
		return skipLineEnds(text, skipClass(text, n, mark))
	}
	if r == ' ' && m > 0 && classOf(next) == mark {
		return skipLineEnds(text, skipClass(text, n+m, mark))
	}
	return spacePiece(text)
}

// spacePiece is nextPiece where the text begins with white space that belongs to no word.
func spacePiece(text string) int {
	end, lastStart, lineEnd := 0, 0, 0
	for end < len(text) {
		r, n := decode(text[end:])
		if classOf(r) != space {
			break
		}
		lastStart = end
		end += n
		if r == '\r' || r == '\n' {
			lineEnd = end
		}
	}
	switch {
	case lineEnd > 0:
		return lineEnd
	case end == len(text) || lastStart == 0:
		return end
	}
	return lastStart
}

// contraction returns the length of an English contraction that text begins with, or 0.
func contraction(text string) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(text) >= 3 {
		switch string([]byte{text[1] | 0x20, text[2] | 0x20}) {
		case "re", "ve", "ll":
			return 3
		}
	}
	return 0
}

// class is what the rule of pieces tells apart.
type class uint8

const (
	mark class = iota
	letter
	digit
	space
)

func classOf(r rune) class {
	if r < utf8.RuneSelf {
		switch {
		case 'a' <= r|0x20 && r|0x20 <= 'z':
			return letter
		case '0' <= r && r <= '9':
			return digit
		case asciiSpace(byte(r)):
			return space
		}
		return mark
	}
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return digit
	case unicode.IsSpace(r):
		return space
	}
	return mark
}

// skipClass returns the offset behind the code points of one class that start at i.
func skipClass(text string, i int, c class) int {
	for i < len(text) {
		r, n := decode(text[i:])
		if classOf(r) != c {
			break
		}
		i += n
	}
	return i
}

func skipLineEnds(text string, i int) int {
	for i < len(text) && (text[i] == '\r' || text[i] == '\n') {
		i++
	}
	return i
}

// decode is utf8.DecodeRuneInString with a short way for ASCII.
func decode(text string) (rune, int) {
	if len(text) > 0 && text[0] < utf8.RuneSelf {
		return rune(text[0]), 1
	}
	return utf8.DecodeRuneInString(text)
}
