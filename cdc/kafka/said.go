package kafka

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

var errUTF8 = errors.New("a text is not valid UTF-8")

// appendText appends what a text says. Bytes that are no UTF-8 and lone surrogates are faults: replacing
// them would change the value unseen.
func appendText(dst, b []byte, t token) ([]byte, error) {
	b = b[t.start+1 : t.end-1]
	if !t.escaped {
		if t.foreign && !utf8.Valid(b) {
			return dst, errUTF8
		}
		return append(dst, b...), nil
	}
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\\')
		if i < 0 {
			i = len(b)
		}
		if t.foreign && !utf8.Valid(b[:i]) {
			return dst, errUTF8
		}
		dst = append(dst, b[:i]...)
		if b = b[i:]; len(b) == 0 {
			break
		}
		c := b[1]
		b = b[2:]
		if c != 'u' {
			dst = append(dst, unescaped(c))
			continue
		}
		r := hexRune(b)
		b = b[4:]
		if utf16.IsSurrogate(r) {
			if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
				return dst, errUTF8
			}
			if r = utf16.DecodeRune(r, hexRune(b[2:])); r == utf8.RuneError {
				return dst, errUTF8
			}
			b = b[6:]
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, nil
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

func hexRune(b []byte) rune {
	return rune(hexDigit(b[0])<<12 | hexDigit(b[1])<<8 | hexDigit(b[2])<<4 | hexDigit(b[3]))
}
