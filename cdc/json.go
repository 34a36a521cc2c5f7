package cdc

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends a value as JSON: bytes in base64, timestamps in RFC 3339, decimals and UUIDs as
// strings, vectors as arrays of the shortest numbers that read back the same, NaN and infinities as
// strings. What is null, unchanged or a reference is written as null.
func AppendJSON(dst []byte, t *Type, v Value) []byte {
	if v.State != Set {
		return append(dst, "null"...)
	}
	switch t.Kind {
	case Bool:
		return strconv.AppendBool(dst, v.Bool())
	case Int64:
		return strconv.AppendInt(dst, v.Int64(), 10)
	case Float64:
		return appendFloatJSON(dst, v.Float64())
	case String, Decimal:
		return AppendJSONString(dst, v.TextView())
	case Bytes:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v.Raw)
		return append(dst, '"')
	case Timestamp:
		dst = append(dst, '"')
		dst = appendTime(dst, v)
		return append(dst, '"')
	case Date:
		dst = append(dst, '"')
		dst = appendDate(dst, v)
		return append(dst, '"')
	case UUID:
		return AppendJSONString(dst, FormatUUID(v.UUID()))
	case JSON:
		return append(dst, v.Raw...)
	case Vector:
		return appendVectorJSON(dst, v.Raw)
	case List:
		return appendListJSON(dst, t.Elem, v.Row())
	case Struct:
		dst = append(dst, '{')
		dst = AppendFieldsJSON(dst, t.Fields, v.Row())
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

func appendVectorJSON(dst, raw []byte) []byte {
	dst = append(dst, '[')
	for i := 0; i+4 <= len(raw); i += 4 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendNumberJSON(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[i:]))), 32)
	}
	return append(dst, ']')
}

func appendListJSON(dst []byte, element *Type, r Row) []byte {
	dst = append(dst, '[')
	for i := range r.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSON(dst, element, r.At(i))
	}
	return append(dst, ']')
}

// AppendFieldsJSON appends the fields of a row as the members of an object, without the braces.
func AppendFieldsJSON(dst []byte, columns []Column, r Row) []byte {
	for i := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendJSONString(dst, columns[i].Name)
		dst = append(dst, ':')
		dst = AppendJSON(dst, &columns[i].Type, r.At(i))
	}
	return dst
}

// appendFloatJSON writes a number, or the word for what JSON has no number for.
func appendFloatJSON(dst []byte, x float64) []byte {
	switch {
	case math.IsNaN(x):
		return append(dst, `"NaN"`...)
	case math.IsInf(x, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(x, -1):
		return append(dst, `"-Infinity"`...)
	}
	return strconv.AppendFloat(dst, x, 'g', -1, 64)
}

// appendNumberJSON writes a number; what JSON has none for becomes null.
func appendNumberJSON(dst []byte, x float64, bits int) []byte {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, x, 'g', -1, bits)
}

// The words for the extremes of timestamps and dates, as Postgres writes them.
const (
	infinity         = "infinity"
	negativeInfinity = "-infinity"
)

func appendTime(dst []byte, v Value) []byte {
	switch v.Int64() {
	case math.MaxInt64:
		return append(dst, infinity...)
	case math.MinInt64:
		return append(dst, negativeInfinity...)
	}
	return v.Time().AppendFormat(dst, time.RFC3339Nano)
}

func appendDate(dst []byte, v Value) []byte {
	switch v.Days() {
	case math.MaxInt32:
		return append(dst, infinity...)
	case math.MinInt32:
		return append(dst, negativeInfinity...)
	}
	return v.Date().AppendFormat(dst, time.DateOnly)
}

// AppendJSONString appends a string as JSON, unescaped but for quotes, backslashes and control
// characters; bytes that are no UTF-8 become U+FFFD.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n, ascii := PlainJSON(s)
		if !ascii && !utf8.ValidString(s[:n]) {
			s = repaired(s)
			continue
		}
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		switch c := s[n]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		}
		s = s[n+1:]
	}
}

// repaired is a text with U+FFFD for each byte that is no UTF-8.
func repaired(s string) string { return string([]rune(s)) }

// PlainJSON is the length of the beginning of s that a JSON text holds as it is: up to the first quote, backslash or
// control character. Whether it is UTF-8 is not looked at, unless it is ASCII alone.
func PlainJSON(s string) (n int, ascii bool) {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i, seen := 0, uint64(0)
	for ; i+8 <= len(s); i += 8 { // eight bytes in one word
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, slash := w^ones*'"', w^ones*'\\'
		// A subtraction sets the high bit of a byte that it brings below zero, and may then borrow from higher ones: the
		// lowest bit is that of the first byte which is not plain.
		if found := ((w - ones*0x20) | (quote - ones) | (slash - ones)) &^ w & highs; found != 0 {
			before := uint64(1)<<(bits.TrailingZeros64(found)&^7) - 1 // the bytes in front of it
			return i + bits.TrailingZeros64(found)/8, (seen|w&before)&highs == 0
		}
		seen |= w
	}
	for ; i < len(s); i++ {
		c := s[i]
		if c < 0x20 || c == '"' || c == '\\' {
			break
		}
		seen |= uint64(c)
	}
	return i, seen&highs == 0
}
