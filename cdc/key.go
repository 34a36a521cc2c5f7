package cdc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Key is the encoded key of a row: its key columns in order, each a tag and a payload whose byte
// order is the order of the values. Every column is self-delimiting, so that a key of n columns is
// a prefix of the keys that add columns to it: the children of an owner lie behind the owner.
type Key []byte

// Tags of key columns; null sorts first.
const (
	tagNull byte = iota + 1
	tagBool
	tagInt
	tagFloat
	tagDecimal
	tagString
	tagBytes
	tagUUID
	tagDate
	tagTimestamp
)

// ErrKey is a key that cannot be read.
var ErrKey = errors.New("malformed key")

// Keyable reports whether values of a kind can be part of a key.
func Keyable(k Kind) bool {
	switch k {
	case Bool, Int64, Float64, Decimal, String, Bytes, Timestamp, Date, UUID:
		return true
	}
	return false
}

// AppendKey appends the key of a row. A key column that is null is encoded as such; one that is
// unchanged or a reference is an error, as is a kind that is not [Keyable].
func (s *Schema) AppendKey(dst []byte, r Row) ([]byte, error) {
	for _, i := range s.Key {
		var err error
		if dst, err = AppendKeyValue(dst, s.Columns[i].Type.Kind, r.At(i)); err != nil {
			return dst, fmt.Errorf("encode key column %s: %w", s.Columns[i].Name, err)
		}
	}
	return dst, nil
}

// AppendKeyValue appends one key column.
func AppendKeyValue(dst []byte, kind Kind, v Value) ([]byte, error) {
	switch v.State {
	case Null:
		return append(dst, tagNull), nil
	case Set:
	default:
		return dst, fmt.Errorf("%w: the value was not sent", ErrKey)
	}
	if n := fixedSize(kind); n > 0 && len(v.Raw) != n {
		return dst, fmt.Errorf("%w: a %s of %d bytes", ErrKey, kind, len(v.Raw))
	}
	switch kind {
	case Bool:
		return append(dst, tagBool, v.Raw[0]), nil
	case Int64:
		return appendInt(append(dst, tagInt), v.Int64()), nil
	case Timestamp:
		return appendInt(append(dst, tagTimestamp), v.Int64()), nil
	case Date:
		return binary.BigEndian.AppendUint32(append(dst, tagDate), uint32(v.Days())^1<<31), nil
	case Float64:
		return appendFloat(append(dst, tagFloat), v.Float64()), nil
	case Decimal:
		return appendDecimal(append(dst, tagDecimal), v.TextView())
	case String:
		return appendEscaped(append(dst, tagString), v.Raw), nil
	case Bytes:
		return appendEscaped(append(dst, tagBytes), v.Raw), nil
	case UUID:
		return append(append(dst, tagUUID), v.Raw...), nil
	}
	return dst, fmt.Errorf("%w: a %s cannot be part of a key", ErrKey, kind)
}

// fixedSize is the number of bytes of a kind whose values are all of one size, else 0.
func fixedSize(k Kind) int {
	switch k {
	case Bool:
		return 1
	case Date:
		return 4
	case Int64, Timestamp, Float64:
		return 8
	case UUID:
		return 16
	}
	return 0
}

// StringKey is the key of a single string column.
func StringKey(s string) Key {
	return appendEscaped(append(make([]byte, 0, len(s)+3), tagString), []byte(s))
}

func appendInt(dst []byte, x int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(x)^1<<63)
}

// appendFloat orders -Inf < … < -0 = 0 < … < +Inf < NaN.
func appendFloat(dst []byte, x float64) []byte {
	if x == 0 {
		x = 0 // -0 and 0 are one key
	}
	if x != x {
		return binary.BigEndian.AppendUint64(dst, math.MaxUint64)
	}
	u := math.Float64bits(x)
	if u>>63 == 1 {
		u = ^u
	} else {
		u |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(dst, u)
}

// appendEscaped writes 0x00 as 0x00 0xFF and ends with 0x00 0x01: order is kept, and no value is a
// prefix of another.
func appendEscaped(dst, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return append(append(dst, b...), 0, 1)
		}
		dst = append(append(dst, b[:i]...), 0, 0xff)
		b = b[i+1:]
	}
}

func cutEscaped(b []byte) (value, rest []byte, ok bool) {
	if i := bytes.IndexByte(b, 0); i >= 0 && i+1 < len(b) && b[i+1] == 1 {
		return b[:i:i], b[i+2:], true // most have no zero byte
	}
	var out []byte
	start := 0
	for i := 0; i+1 < len(b); i++ {
		if b[i] != 0 {
			continue
		}
		switch b[i+1] {
		case 1:
			if out == nil {
				return b[:i:i], b[i+2:], true
			}
			return append(out, b[start:i]...), b[i+2:], true
		case 0xff:
			out = append(append(out, b[start:i]...), 0)
			start = i + 2
			i++
		default:
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// KeyPart is one decoded column of a [Key].
type KeyPart struct {
	Kind Kind // Invalid for null
	Null bool
	Raw  []byte // encoded as in a Row; decimals in their normal form
}

// Parts decodes the columns of a key.
func (k Key) Parts() ([]KeyPart, error) {
	var parts []KeyPart
	for b := []byte(k); len(b) > 0; {
		p, rest, err := cutPart(b)
		if err != nil {
			return nil, fmt.Errorf("decode key %x: %w", []byte(k), err)
		}
		parts, b = append(parts, p), rest
	}
	return parts, nil
}

func cutPart(b []byte) (KeyPart, []byte, error) {
	tag, b := b[0], b[1:]
	fixed := func(kind Kind, n int, decode func(raw []byte) []byte) (KeyPart, []byte, error) {
		if len(b) < n {
			return KeyPart{}, nil, ErrKey
		}
		return KeyPart{Kind: kind, Raw: decode(b[:n:n])}, b[n:], nil
	}
	asInt := func(raw []byte) []byte {
		return binary.LittleEndian.AppendUint64(nil, binary.BigEndian.Uint64(raw)^1<<63)
	}
	same := func(raw []byte) []byte { return raw }
	switch tag {
	case tagNull:
		return KeyPart{Null: true}, b, nil
	case tagBool:
		return fixed(Bool, 1, same)
	case tagInt:
		return fixed(Int64, 8, asInt)
	case tagTimestamp:
		return fixed(Timestamp, 8, asInt)
	case tagDate:
		return fixed(Date, 4, func(raw []byte) []byte {
			return binary.LittleEndian.AppendUint32(nil, binary.BigEndian.Uint32(raw)^1<<31)
		})
	case tagFloat:
		return fixed(Float64, 8, func(raw []byte) []byte {
			return binary.LittleEndian.AppendUint64(nil, floatBits(binary.BigEndian.Uint64(raw)))
		})
	case tagUUID:
		return fixed(UUID, 16, same)
	case tagDecimal:
		text, rest, err := cutDecimal(b)
		return KeyPart{Kind: Decimal, Raw: []byte(text)}, rest, err
	case tagString, tagBytes:
		kind := String
		if tag == tagBytes {
			kind = Bytes
		}
		v, rest, ok := cutEscaped(b)
		if !ok {
			return KeyPart{}, nil, ErrKey
		}
		return KeyPart{Kind: kind, Raw: v}, rest, nil
	}
	return KeyPart{}, nil, ErrKey
}

func floatBits(u uint64) uint64 {
	switch {
	case u == math.MaxUint64:
		return math.Float64bits(math.NaN())
	case u>>63 == 1:
		return u &^ (1 << 63)
	}
	return ^u
}
