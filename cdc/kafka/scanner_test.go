package kafka

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// scan reports whether a text is one JSON value.
func scan(b []byte) error {
	s := scanner{b: b}
	if _, err := s.value(0); err != nil {
		return err
	}
	return s.end()
}

func FuzzScanner(f *testing.F) {
	for _, text := range []string{`{}`, `{"a":[1,-0.5e+3,true,null,"x\u00e4\n"]}`, ` [ ] `, `{"a":}`, `"\ud83d\ude00"`, `01`, `-`, `1.`, `"\x"`, "\"\x01\"", `[1,]`, `{"a":1,}`,
		`nul`, ``, "\xff\x00{", `{"a" 1}`, `1e`, `"\u12`, `[[[[]]]]`, `{"a":{"b":[{}]}} x`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := json.Valid(b)
		if got := scan(b); (got == nil) != want {
			if strings.Contains(string(b), strings.Repeat("[", 100)) || strings.Contains(string(b), strings.Repeat(`{"`, 100)) {
				return // ours bounds the depth
			}
			t.Fatalf("%q is JSON: %v, but the scanner says %v", b, want, got)
		}
		var text string
		if !want || json.Unmarshal(b, &text) != nil || !utf8.Valid(b) {
			return
		}
		s := scanner{b: b}
		v, err := s.value(0)
		if err != nil || v.kind != kindText {
			return
		}
		got, err := appendText(nil, b, v)
		if err != nil && strings.Contains(text, "\ufffd") {
			return // a lone surrogate, which encoding/json replaces
		}
		if err != nil || string(got) != text {
			t.Fatalf("%q says %q, the scanner read %q (%v)", b, text, got, err)
		}
	})
}

func TestTextThatWouldBeChangedIsRefused(t *testing.T) {
	for _, text := range []string{"\"\xff\"", `"\ud800"`, `"\ud800x"`, `"\ud800\u0041"`, `"\udc00\ud800"`, "\"\\n\xff\""} {
		s := scanner{b: []byte(text)}
		v, err := s.value(0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := appendText(nil, s.b, v); err == nil {
			t.Errorf("%q is read as %q", text, got)
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	for _, text := range []string{strings.Repeat("[", 1e6), strings.Repeat(`{"a":`, 1e6)} {
		if err := scan([]byte(text)); err == nil || !strings.Contains(err.Error(), "deeper") {
			t.Errorf("it ends with %v", err)
		}
	}
}
