package kafka

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/freshet/freshet/cdc"
)

// scanner reads JSON in place: it tells where values stand and that they are well formed, and builds
// nothing. It is as strict as the grammar is.
type scanner struct {
	b  []byte
	at int
}

// token is where a value stands in the text.
type token struct {
	kind       kind
	start, end int
	escaped    bool // of a text: it holds escapes
	foreign    bool // of a text: it holds bytes that are not ASCII
}

type kind uint8

const (
	kindNone kind = iota // no value was there
	kindNull
	kindTrue
	kindFalse
	kindNumber
	kindText
	kindObject
	kindArray
)

var kindNames = [...]string{"nothing", "null", "true", "false", "a number", "a text", "an object", "an array"}

func (k kind) String() string { return kindNames[k] }

// depthMax bounds how deep values nest.
const depthMax = 500

var errJSON = errors.New("not JSON")

func (s *scanner) fault(what string) error {
	if s.at >= len(s.b) {
		return fmt.Errorf("%w: the text ends where %s is to stand", errJSON, what)
	}
	return fmt.Errorf("%w: %q at byte %d where %s is to stand", errJSON, s.b[s.at], s.at, what)
}

func (s *scanner) space() {
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case ' ', '\n', '\t', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte that is no space, or 0.
func (s *scanner) peek() byte {
	s.space()
	if s.at < len(s.b) {
		return s.b[s.at]
	}
	return 0
}

// end makes sure that nothing but space is left.
func (s *scanner) end() error {
	if s.space(); s.at < len(s.b) {
		return s.fault("the end")
	}
	return nil
}

// value passes over the next value.
func (s *scanner) value(depth int) (token, error) {
	c := s.peek()
	t := token{start: s.at}
	var err error
	switch {
	case c == '"':
		t.kind = kindText
		err = s.text(&t)
	case c == '{':
		t.kind = kindObject
		err = s.object(depth)
	case c == '[':
		t.kind = kindArray
		err = s.array(depth)
	case c == '-' || c >= '0' && c <= '9':
		t.kind = kindNumber
		err = s.number()
	case c == 't':
		t.kind = kindTrue
		err = s.word("true")
	case c == 'f':
		t.kind = kindFalse
		err = s.word("false")
	case c == 'n':
		t.kind = kindNull
		err = s.word("null")
	default:
		err = s.fault("a value")
	}
	t.end = s.at
	return t, err
}

func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.b[s.at:], []byte(w)) {
		return s.fault(w)
	}
	s.at += len(w)
	return nil
}

// enter begins an object; member then gives its members.
func (s *scanner) enter() error {
	if s.peek() != '{' {
		return s.fault("an object")
	}
	s.at++
	return nil
}

// member passes over the next member. more is false behind the last one. The name points into the text,
// unless it is written with escapes.
func (s *scanner) member(first bool, depth int) (name []byte, value token, more bool, err error) {
	c := s.peek()
	switch {
	case c == '}':
		s.at++
		return nil, token{}, false, nil
	case first:
	case c != ',':
		return nil, token{}, false, s.fault("a comma")
	default:
		s.at++
		c = s.peek()
	}
	if c != '"' {
		return nil, token{}, false, s.fault("a name")
	}
	t := token{kind: kindText, start: s.at}
	if err = s.text(&t); err != nil {
		return nil, token{}, false, err
	}
	if t.end = s.at; t.escaped {
		if name, err = appendText(nil, s.b, t); err != nil {
			return nil, token{}, false, err
		}
	} else {
		name = s.b[t.start+1 : t.end-1]
	}
	if s.peek() != ':' {
		return nil, token{}, false, s.fault("a colon")
	}
	s.at++
	value, err = s.value(depth)
	return name, value, true, err
}

// named passes over the name of the next member, if it is written so and its value follows.
func (s *scanner) named(first bool, written []byte) bool {
	rest := s.b[s.at:]
	if !first {
		if len(rest) == 0 || rest[0] != ',' {
			return false
		}
		rest = rest[1:]
	}
	if !bytes.HasPrefix(rest, written) {
		return false
	}
	s.at = len(s.b) - len(rest) + len(written)
	return true
}

func (s *scanner) object(depth int) error {
	if depth >= depthMax {
		return fmt.Errorf("%w: it nests deeper than %d levels", errJSON, depthMax)
	}
	s.at++
	for first := true; ; first = false {
		c := s.peek()
		if c == '}' && first {
			s.at++
			return nil
		}
		if !first {
			if c == '}' {
				s.at++
				return nil
			}
			if c != ',' {
				return s.fault("a comma")
			}
			s.at++
			c = s.peek()
		}
		if c != '"' {
			return s.fault("a name")
		}
		if err := s.text(&token{}); err != nil {
			return err
		}
		if s.peek() != ':' {
			return s.fault("a colon")
		}
		s.at++
		if _, err := s.value(depth + 1); err != nil {
			return err
		}
	}
}

func (s *scanner) array(depth int) error {
	s.at++
	for first := true; ; first = false {
		_, more, err := s.element(first, depth)
		if err != nil || !more {
			return err
		}
	}
}

// element passes over the next element of an array that has been begun.
func (s *scanner) element(first bool, depth int) (value token, more bool, err error) {
	if depth >= depthMax {
		return token{}, false, fmt.Errorf("%w: it nests deeper than %d levels", errJSON, depthMax)
	}
	c := s.peek()
	switch {
	case c == ']':
		s.at++
		return token{}, false, nil
	case first:
	case c != ',':
		return token{}, false, s.fault("a comma")
	default:
		s.at++
	}
	value, err = s.value(depth + 1)
	return value, true, err
}

// text passes over a text, and says of what it is made.
func (s *scanner) text(t *token) error {
	s.at++
	for {
		n, ascii := cdc.PlainJSON(view(s.b[s.at:]))
		s.at += n
		t.foreign = t.foreign || !ascii
		switch {
		case s.at >= len(s.b):
			return s.fault("the end of a text")
		case s.b[s.at] == '"':
			s.at++
			return nil
		case s.b[s.at] != '\\':
			return s.fault("text")
		}
		t.escaped = true
		if err := s.escape(); err != nil {
			return err
		}
	}
}

func (s *scanner) escape() error {
	s.at++
	if s.at >= len(s.b) {
		return s.fault("an escape")
	}
	switch s.b[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
		s.at++
		for range 4 {
			if s.at >= len(s.b) || hexDigit(s.b[s.at]) < 0 {
				return s.fault("a hexadecimal digit")
			}
			s.at++
		}
		return nil
	}
	return s.fault("an escape")
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func (s *scanner) digits() bool {
	from := s.at
	for s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}

func (s *scanner) number() error {
	if s.b[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.b) && s.b[s.at] == '0' {
		s.at++
	} else if !s.digits() {
		return s.fault("a digit")
	}
	if s.at < len(s.b) && s.b[s.at] == '.' {
		s.at++
		if !s.digits() {
			return s.fault("a digit")
		}
	}
	if s.at < len(s.b) && s.b[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.b) && (s.b[s.at] == '+' || s.b[s.at] == '-') {
			s.at++
		}
		if !s.digits() {
			return s.fault("a digit")
		}
	}
	return nil
}
