package s3

import "strings"

// sequencers remember the newest hint of each key, so that an older one that comes late is not looked at: the look
// that the newer one led to has seen what the older one tells. One that comes twice is looked at twice, since some
// servers give every hint the same number. What is forgotten costs a look, no more. The zero value is empty.
type sequencers struct {
	young, old map[string]string
}

// maxSequencers bounds the keys of each generation; when the young one is full the old one is dropped.
const maxSequencers = 8192

// news reports whether no newer hint of the key is remembered, as far as they can be compared.
func (s *sequencers) news(h *hint) bool {
	if !comparable16(h.sequencer) {
		return true
	}
	last, ok := s.young[h.key]
	if !ok {
		last, ok = s.old[h.key]
	}
	return !ok || !laterHex(last, h.sequencer)
}

// remember takes note of a hint that leads to a look, unless a newer one of its key is remembered.
func (s *sequencers) remember(h *hint) {
	if !comparable16(h.sequencer) || !s.news(h) {
		return
	}
	if s.young == nil || len(s.young) >= maxSequencers {
		s.young, s.old = make(map[string]string), s.young
	}
	s.young[h.key] = h.sequencer
}

// comparable16 reports whether a text is a number of 1 to 64 hexadecimal digits.
func comparable16(text string) bool {
	if text == "" || len(text) > 64 {
		return false
	}
	for _, c := range []byte(text) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

// laterHex reports whether one hexadecimal number is greater than another, the shorter being filled up with zeros at its left.
func laterHex(a, b string) bool {
	a, b = strings.ToUpper(a), strings.ToUpper(b)
	width := max(len(a), len(b))
	return strings.Repeat("0", width-len(a))+a > strings.Repeat("0", width-len(b))+b
}
