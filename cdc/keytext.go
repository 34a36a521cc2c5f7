package cdc

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// nullText stands for null in the text of a key.
const nullText = "%null"

// Text is the key as people and document sinks see it: of one column its text, of several each
// percent-escaped and joined by `/`. Null is written as `%null`, which no escaped text is; a key of
// one column is not escaped, and there the text of null is also that of the string "%null".
// Damaged bytes are shown in hexadecimal, so that a log line never fails.
func (k Key) Text() string {
	if text, ok := k.plain(); ok {
		return string(text)
	}
	parts, err := k.Parts()
	if err != nil {
		return hex.EncodeToString(k)
	}
	if len(parts) == 1 && !parts[0].Null {
		return parts[0].Text()
	}
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('/')
		}
		if p.Null {
			b.WriteString(nullText)
			continue
		}
		escapeInto(&b, p.Text())
	}
	return b.String()
}

// AppendText appends what [Key.Text] says.
func (k Key) AppendText(dst []byte) []byte {
	if text, ok := k.plain(); ok {
		return append(dst, text...)
	}
	return append(dst, k.Text()...)
}

// plain is the text of a key of one string, as most keys are.
func (k Key) plain() (text []byte, ok bool) {
	if len(k) == 0 || k[0] != tagString {
		return nil, false
	}
	text, rest, ok := cutEscaped(k[1:])
	return text, ok && len(rest) == 0
}

// Text is the text form of one key column.
func (p KeyPart) Text() string {
	v := Value{Raw: p.Raw}
	switch p.Kind {
	case Bool:
		return strconv.FormatBool(v.Bool())
	case Int64:
		return strconv.FormatInt(v.Int64(), 10)
	case Float64:
		return strconv.FormatFloat(v.Float64(), 'g', -1, 64)
	case Timestamp:
		return string(appendTime(nil, v))
	case Date:
		return string(appendDate(nil, v))
	case Bytes:
		return hex.EncodeToString(p.Raw)
	case UUID:
		return FormatUUID(v.UUID())
	}
	return string(p.Raw)
}

// FormatUUID writes a UUID in its usual form of five groups.
func FormatUUID(u [16]byte) string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

const upperHex = "0123456789ABCDEF"

func escapeInto(b *strings.Builder, s string) {
	for i := range len(s) {
		if c := s[i]; c == '%' || c == '/' || c < 0x20 || c == 0x7f {
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
			continue
		}
		b.WriteByte(s[i])
	}
}

// ParseKeyText reads the text form of a key back, given the types of the key columns.
func ParseKeyText(types []Type, text string) (Key, error) {
	if len(types) == 1 && text != nullText {
		return appendKeyText(nil, types[0].Kind, text)
	}
	fields := strings.Split(text, "/")
	if len(fields) != len(types) {
		return nil, fmt.Errorf("parse key %q: %d parts, the key has %d columns", text, len(fields), len(types))
	}
	var k Key
	for i, f := range fields {
		if f == nullText {
			k = append(k, tagNull)
			continue
		}
		raw, err := unescape(f)
		if err == nil {
			k, err = appendKeyText(k, types[i].Kind, raw)
		}
		if err != nil {
			return nil, fmt.Errorf("parse key %q: %w", text, err)
		}
	}
	return k, nil
}

func unescape(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", fmt.Errorf("%w: a lone %% at the end", ErrKey)
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("%w: %q is no escape", ErrKey, s[i:i+3])
		}
		out = append(out, byte(c))
		i += 2
	}
	return string(out), nil
}

func appendKeyText(dst []byte, kind Kind, text string) ([]byte, error) {
	raw, err := parseText(kind, text)
	if err != nil {
		return dst, err
	}
	return AppendKeyValue(dst, kind, Value{Raw: raw})
}
