package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// maxDepth bounds how deep an ignored value may nest.
const maxDepth = 64

// scanner reads JSON front to back without building it. Its error sticks: after one, every method does
// nothing and next reports false, so that callers check once at the end.
type scanner struct {
	data []byte
	at   int
	err  error
}

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
		s.at = len(s.data)
	}
}

// peek returns the next byte that is not white space, or 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) expect(c byte) {
	if s.peek() != c || s.err != nil {
		s.fail("the reply is not the JSON that was asked for: no %q at byte %d", c, s.at)
		return
	}
	s.at++
}

// next moves to the i-th element of an object or array that was opened, or past its end.
func (s *scanner) next(end byte, i int) bool {
	if s.err != nil {
		return false
	}
	if s.peek() == end {
		s.at++
		return false
	}
	if i > 0 {
		s.expect(',')
	}
	return s.err == nil
}

// key reads the name of a member. It is valid until the next read.
func (s *scanner) key() []byte {
	key := s.text()
	s.expect(':')
	return key
}

// text reads a string and returns its value, which shares the reply's memory where nothing is escaped.
func (s *scanner) text() []byte {
	raw, escaped := s.quoted()
	if !escaped || s.err != nil {
		return raw
	}
	var value string
	if err := json.Unmarshal(s.data[s.at-len(raw)-2:s.at], &value); err != nil {
		s.fail("the reply has a broken string before byte %d", s.at)
		return nil
	}
	return []byte(value)
}

// quoted reads a string and returns what stands between its quotes.
func (s *scanner) quoted() (raw []byte, escaped bool) {
	s.expect('"')
	if s.err != nil {
		return nil, false
	}
	rest := s.data[s.at:]
	end := bytes.IndexByte(rest, '"')
	if end >= 0 && bytes.IndexByte(rest[:end], '\\') >= 0 {
		escaped = true
		end = closingQuote(rest)
	}
	if end < 0 {
		s.fail("the reply ends inside a string")
		return nil, false
	}
	raw = rest[:end]
	for _, c := range raw {
		if c < ' ' {
			s.fail("the reply has a control character in a string near byte %d", s.at)
			return nil, false
		}
	}
	s.at += end + 1
	return raw, escaped
}

// closingQuote returns where an opened string with escapes ends, or -1.
func closingQuote(rest []byte) int {
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// skip passes over a value that nobody asked for.
func (s *scanner) skip(depth int) {
	if depth > maxDepth {
		s.fail("the reply nests deeper than %d levels", maxDepth)
	}
	switch c := s.peek(); c {
	case '{':
		s.at++
		for i := 0; s.next('}', i); i++ {
			s.key()
			s.skip(depth + 1)
		}
	case '[':
		s.at++
		for i := 0; s.next(']', i); i++ {
			s.skip(depth + 1)
		}
	case '"':
		s.text()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		s.number()
	}
}

func (s *scanner) literal(word string) {
	if !bytes.HasPrefix(s.data[s.at:], []byte(word)) {
		s.fail("the reply is not JSON at byte %d", s.at)
		return
	}
	s.at += len(word)
}

// end checks that nothing but white space is left.
func (s *scanner) end() {
	if s.err == nil && s.peek() != 0 || s.at < len(s.data) {
		s.fail("the reply goes on after its end at byte %d", s.at)
	}
}
