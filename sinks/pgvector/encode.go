package pgvector

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"strings"

	"github.com/freshet/freshet/cdc"
)

// Object identifiers of types that have a binary form here. They are the same on every server.
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidText        = 25
	oidJSON        = 114
	oidFloat4      = 700
	oidFloat8      = 701
	oidBPChar      = 1042
	oidVarchar     = 1043
	oidDate        = 1082
	oidTimestamp   = 1114
	oidTimestampTZ = 1184
	oidUUID        = 2950
	oidJSONB       = 3802
)

// PostgreSQL counts from 2000-01-01, package cdc from 1970-01-01.
const (
	epochDays   = 10_957
	epochMicros = epochDays * 86_400_000_000
)

// encoder writes a value in the binary form of a column's type. ok is false for a value that the type cannot hold, or
// not in this form: it is sent as text then, and the server says what is wrong with it.
type encoder func(dst []byte, v cdc.Value) (out []byte, ok bool)

// encoderOf is the binary form of a column, nil where only text will do.
func encoderOf(c *column, vectors uint32) encoder {
	switch k := c.Type.Kind; {
	case k == cdc.Bool && c.oid == oidBool, k == cdc.Bytes && c.oid == oidBytea, k == cdc.UUID && c.oid == oidUUID:
		return encodeRaw
	case k == cdc.String && (c.oid == oidText || c.oid == oidVarchar || c.oid == oidBPChar), k == cdc.JSON && (c.oid == oidJSON || c.oid == oidText):
		return encodeRaw
	case k == cdc.JSON && c.oid == oidJSONB:
		return func(dst []byte, v cdc.Value) ([]byte, bool) { return append(append(dst, 1), v.Raw...), true }
	case k == cdc.Int64 && c.oid == oidInt8:
		return func(dst []byte, v cdc.Value) ([]byte, bool) {
			return binary.BigEndian.AppendUint64(dst, uint64(v.Int64())), true
		}
	case k == cdc.Int64 && c.oid == oidInt4:
		return func(dst []byte, v cdc.Value) ([]byte, bool) {
			return binary.BigEndian.AppendUint32(dst, uint32(v.Int64())), int64(int32(v.Int64())) == v.Int64()
		}
	case k == cdc.Int64 && c.oid == oidInt2:
		return func(dst []byte, v cdc.Value) ([]byte, bool) {
			return binary.BigEndian.AppendUint16(dst, uint16(v.Int64())), int64(int16(v.Int64())) == v.Int64()
		}
	case k == cdc.Float64 && c.oid == oidFloat8:
		return func(dst []byte, v cdc.Value) ([]byte, bool) {
			return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Float64())), true
		}
	case k == cdc.Float64 && c.oid == oidFloat4:
		return encodeFloat4
	case k == cdc.Date && c.oid == oidDate:
		return encodeDate
	case k == cdc.Timestamp && (c.oid == oidTimestamp || c.oid == oidTimestampTZ):
		return encodeTimestamp
	case k == cdc.Vector && c.oid == vectors && vectors != 0:
		return encodeVector
	}
	return nil
}

func encodeRaw(dst []byte, v cdc.Value) ([]byte, bool) { return append(dst, v.Raw...), true }

// encodeFloat4 leaves to the server what would not come back as it was.
func encodeFloat4(dst []byte, v cdc.Value) ([]byte, bool) {
	x := v.Float64()
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(x))), x != x || float64(float32(x)) == x
}

func encodeDate(dst []byte, v cdc.Value) ([]byte, bool) {
	days := v.Days()
	if days != math.MaxInt32 && days != math.MinInt32 {
		if days < math.MinInt32+epochDays {
			return dst, false
		}
		days -= epochDays
	}
	return binary.BigEndian.AppendUint32(dst, uint32(days)), true
}

func encodeTimestamp(dst []byte, v cdc.Value) ([]byte, bool) {
	micros := v.Int64()
	if micros != math.MaxInt64 && micros != math.MinInt64 {
		if micros < math.MinInt64+epochMicros {
			return dst, false
		}
		micros -= epochMicros
	}
	return binary.BigEndian.AppendUint64(dst, uint64(micros)), true
}

// encodeVector writes the extension's form: the number of dimensions, two bytes of nothing, the numbers.
func encodeVector(dst []byte, v cdc.Value) ([]byte, bool) {
	n := len(v.Raw) / 4
	dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	dst = append(dst, 0, 0)
	for i := range n {
		dst = binary.BigEndian.AppendUint32(dst, binary.LittleEndian.Uint32(v.Raw[4*i:]))
	}
	return dst, n <= math.MaxUint16
}

// appendText writes a value as the server reads it. searched tells the vector of an index from numbers in an array.
func appendText(dst []byte, t *cdc.Type, v cdc.Value, target textForm) []byte {
	switch t.Kind {
	case cdc.Bool:
		return strconv.AppendBool(dst, v.Bool())
	case cdc.Int64:
		return strconv.AppendInt(dst, v.Int64(), 10)
	case cdc.Float64:
		return appendFloat(dst, v.Float64(), 64)
	case cdc.Bytes:
		return hex.AppendEncode(append(dst, `\x`...), v.Raw)
	case cdc.Timestamp:
		return appendTimestamp(dst, v.Int64())
	case cdc.Date:
		return appendDate(dst, v.Days())
	case cdc.UUID:
		return append(dst, cdc.FormatUUID(v.UUID())...)
	case cdc.Vector:
		return appendNumbers(dst, v, target)
	case cdc.Struct:
		return cdc.AppendJSON(dst, t, v)
	case cdc.List:
		if target == asJSON {
			return cdc.AppendJSON(dst, t, v)
		}
		return appendArray(dst, t.Elem, v.Row())
	}
	return append(dst, v.Raw...)
}

// textForm is the way in which a list is written.
type textForm uint8

const (
	asArray  textForm = iota // {1,2}
	asVector                 // [1,2]
	asJSON                   // [1, 2], with objects and lists inside
)

func formOf(c *column, searched bool) textForm {
	switch {
	case searched, strings.HasPrefix(c.have, "vector") || strings.HasPrefix(c.have, "halfvec"):
		return asVector
	case c.oid == oidJSON || c.oid == oidJSONB:
		return asJSON
	}
	return asArray
}

func appendFloat(dst []byte, x float64, bits int) []byte {
	switch {
	case math.IsInf(x, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(x, -1):
		return append(dst, "-Infinity"...)
	}
	return strconv.AppendFloat(dst, x, 'g', -1, bits)
}

func appendNumbers(dst []byte, v cdc.Value, target textForm) []byte {
	opening, closing := byte('{'), byte('}')
	if target != asArray {
		opening, closing = '[', ']'
	}
	dst = append(dst, opening)
	for i := 0; i+4 <= len(v.Raw); i += 4 {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(v.Raw[i:]))), 32)
	}
	return append(dst, closing)
}

func appendArray(dst []byte, elem *cdc.Type, r cdc.Row) []byte {
	dst = append(dst, '{')
	for i := range r.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		v := r.At(i)
		if v.State != cdc.Set {
			dst = append(dst, "NULL"...)
			continue
		}
		dst = append(dst, '"')
		for _, c := range appendText(nil, elem, v, asArray) {
			if c == '"' || c == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
		}
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

func appendTimestamp(dst []byte, micros int64) []byte {
	switch micros {
	case math.MaxInt64:
		return append(dst, "infinity"...)
	case math.MinInt64:
		return append(dst, "-infinity"...)
	}
	const day = 86_400_000_000
	days := micros / day
	rest := micros % day
	if rest < 0 {
		days, rest = days-1, rest+day
	}
	text, before := civil(days)
	dst = append(dst, text...)
	dst = append(dst, ' ')
	seconds := rest / 1_000_000
	for i, part := range []int64{seconds / 3600, seconds / 60 % 60, seconds % 60} {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = appendPadded(dst, part, 2)
	}
	dst = appendPadded(append(dst, '.'), rest%1_000_000, 6)
	dst = append(dst, "+00"...)
	if before {
		dst = append(dst, " BC"...)
	}
	return dst
}

func appendDate(dst []byte, days int32) []byte {
	switch days {
	case math.MaxInt32:
		return append(dst, "infinity"...)
	case math.MinInt32:
		return append(dst, "-infinity"...)
	}
	text, before := civil(int64(days))
	dst = append(dst, text...)
	if before {
		dst = append(dst, " BC"...)
	}
	return dst
}

// civil writes a day, counted from 1970-01-01, in the calendar that PostgreSQL uses for all times; package time stops
// short of its first and last years. before is set where the year is one before the common era.
func civil(days int64) (text []byte, before bool) {
	// A year of this sum begins in March, and an era has 400 of them and 146,097 days.
	z := days + 719_468
	era := z / 146_097
	if z < 0 {
		era = (z - 146_096) / 146_097
	}
	inEra := z - era*146_097
	year := (inEra - inEra/1460 + inEra/36_524 - inEra/146_096) / 365
	inYear := inEra - (365*year + year/4 - year/100)
	month := (5*inYear + 2) / 153
	day := inYear - (153*month+2)/5 + 1
	month += 3
	year += era * 400
	if month > 12 {
		month -= 12
		year++
	}
	if before = year < 1; before {
		year = 1 - year
	}
	text = appendPadded(nil, year, 4)
	text = appendPadded(append(text, '-'), month, 2)
	return appendPadded(append(text, '-'), day, 2), before
}

func appendPadded(dst []byte, n int64, width int) []byte {
	digits := strconv.AppendInt(nil, n, 10)
	for range width - len(digits) {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
