package cdc

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
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

// RowFromJSON reads an object into a row of the schema. Columns that the object lacks are null where
// they may be; an unknown member is an error that names it.
func RowFromJSON(s *Schema, object []byte) (Row, error) {
	var b RowBuilder
	if err := addObject(&b, s.Columns, object); err != nil {
		return nil, err
	}
	return b.Build(), nil
}

func addObject(b *RowBuilder, columns []Column, object []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return fmt.Errorf("read row: %w", err)
	}
	if members == nil {
		return errors.New("read row: null is no object")
	}
	for _, c := range columns {
		raw, ok := members[c.Name]
		delete(members, c.Name)
		if !ok || string(raw) == "null" {
			if !c.Type.Nullable {
				return fmt.Errorf("read column %s: no value, and %s does not allow null", c.Name, c.Type)
			}
			b.Null()
			continue
		}
		if err := addJSON(b, c.Type, raw); err != nil {
			return fmt.Errorf("read column %s: %w", c.Name, err)
		}
	}
	if len(members) > 0 {
		return fmt.Errorf("read row: no column %q", slices.Min(slices.Collect(maps.Keys(members))))
	}
	return nil
}

func addJSON(b *RowBuilder, t Type, raw json.RawMessage) error {
	switch t.Kind {
	case JSON:
		b.Bytes(raw)
		return nil
	case Vector:
		return addVector(b, t, raw)
	case List:
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return fmt.Errorf("read %s: %w", t, err)
		}
		var inner RowBuilder
		for _, item := range items {
			if string(item) == "null" && t.Elem.Nullable {
				inner.Null()
			} else if string(item) == "null" {
				return fmt.Errorf("read %s: an element is null", t)
			} else if err := addJSON(&inner, *t.Elem, item); err != nil {
				return err
			}
		}
		b.Row(inner.Build())
		return nil
	case Struct:
		var inner RowBuilder
		if err := addObject(&inner, t.Fields, raw); err != nil {
			return err
		}
		b.Row(inner.Build())
		return nil
	}
	return addScalar(b, t, raw)
}

// addVector reads an array of numbers; null, which is what a NaN is written as, is none.
func addVector(b *RowBuilder, t Type, raw json.RawMessage) error {
	var items []*float32
	if err := json.Unmarshal(raw, &items); err != nil {
		return fmt.Errorf("read %s: %w", t, err)
	}
	if t.Dims > 0 && len(items) != t.Dims {
		return fmt.Errorf("read %s: %d numbers", t, len(items))
	}
	x := make([]float32, len(items))
	for i, item := range items {
		if item == nil {
			return fmt.Errorf("read %s: element %d is null", t, i)
		}
		x[i] = *item
	}
	b.Vector(x)
	return nil
}

func addScalar(b *RowBuilder, t Type, raw json.RawMessage) error {
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return fmt.Errorf("read %s: %w", t, err)
		}
	} else if t.Kind == String {
		return fmt.Errorf("read %s: %.40s is not a string", t, raw)
	}
	if t.Kind == Bytes {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("read bytes: %w", err)
		}
		b.Bytes(decoded)
		return nil
	}
	if len(t.Enum) > 0 && !slices.Contains(t.Enum, text) {
		return fmt.Errorf("read %s: %.40q is none of them", t, text)
	}
	encoded, err := parseText(t.Kind, text)
	if err != nil {
		return err
	}
	b.Bytes(encoded)
	return nil
}

// parseText encodes the text form of a scalar as a row holds it; bytes are in hexadecimal.
func parseText(kind Kind, text string) ([]byte, error) {
	bad := func() ([]byte, error) { return nil, fmt.Errorf("read %s: %.40q is none", kind, text) }
	switch kind {
	case String, JSON:
		return []byte(text), nil
	case Decimal:
		if _, err := appendDecimal(nil, text); err != nil {
			return bad()
		}
		return []byte(text), nil
	case Bool:
		x, err := strconv.ParseBool(text)
		if err != nil {
			return bad()
		}
		if x {
			return []byte{1}, nil
		}
		return []byte{0}, nil
	case Int64:
		x, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return bad()
		}
		return binary.LittleEndian.AppendUint64(nil, uint64(x)), nil
	case Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return bad()
		}
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(x)), nil
	case Timestamp:
		switch text {
		case infinity:
			return binary.LittleEndian.AppendUint64(nil, math.MaxInt64), nil
		case negativeInfinity:
			return binary.LittleEndian.AppendUint64(nil, 1<<63), nil
		}
		x, err := time.Parse(time.RFC3339Nano, text)
		if y := x.UTC().Year(); err != nil || y < 0 || y > 9999 { // the offset may lead out of what can be written
			return bad()
		}
		return binary.LittleEndian.AppendUint64(nil, uint64(x.UnixMicro())), nil
	case Date:
		switch text {
		case infinity:
			return binary.LittleEndian.AppendUint32(nil, math.MaxInt32), nil
		case negativeInfinity:
			return binary.LittleEndian.AppendUint32(nil, 1<<31), nil
		}
		x, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return bad()
		}
		return binary.LittleEndian.AppendUint32(nil, uint32(int32(x.Unix()/86_400))), nil
	case Bytes, UUID:
		raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
		if err != nil || kind == UUID && len(raw) != 16 {
			return bad()
		}
		return raw, nil
	}
	return bad()
}
