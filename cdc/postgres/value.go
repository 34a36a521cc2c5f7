package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"github.com/freshet/freshet/cdc"
)

// errValue is a value that is not what its type says, or that no row can hold.
var errValue = errors.New("unreadable value")

// reader turns values as the server sends them into fields of a row. It belongs to one goroutine.
type reader struct {
	scratch []byte
}

// badValue tells of a value without quoting more than its beginning.
func badValue(c codec, form string, raw []byte) error {
	return fmt.Errorf("%w: %d bytes are no %s %s", errValue, len(raw), form, c.kind())
}

// addBinary adds a value in the binary form.
func (r *reader) addBinary(b *cdc.RowBuilder, c codec, raw []byte) error {
	switch c {
	case codecString, codecJSON:
		b.Bytes(raw)
	case codecBytea:
		b.Bytes(raw)
	case codecBool:
		if len(raw) != 1 || raw[0] > 1 {
			return badValue(c, "binary", raw)
		}
		b.Bool(raw[0] == 1)
	case codecJSONB:
		if len(raw) < 1 || raw[0] != 1 {
			return badValue(c, "binary", raw)
		}
		b.Bytes(raw[1:])
	case codecUUID:
		if len(raw) != 16 {
			return badValue(c, "binary", raw)
		}
		b.Bytes(raw)
	case codecNumeric:
		text, err := appendNumeric(r.scratch[:0], raw)
		if err != nil {
			return err
		}
		r.scratch = text
		b.Bytes(text)
	case codecVector, codecHalf:
		return r.addVectorBinary(b, c, raw)
	default:
		return r.addFixed(b, c, raw)
	}
	return nil
}

// addFixed adds a value of the kinds whose binary form has one size.
func (r *reader) addFixed(b *cdc.RowBuilder, c codec, raw []byte) error {
	size := 8
	switch c {
	case codecInt2:
		size = 2
	case codecInt4, codecOID, codecFloat4, codecDate:
		size = 4
	case codecText:
		return badValue(c, "binary", raw)
	}
	if len(raw) != size {
		return badValue(c, "binary", raw)
	}
	switch c {
	case codecInt2:
		b.Int64(int64(int16(binary.BigEndian.Uint16(raw))))
	case codecInt4:
		b.Int64(int64(int32(binary.BigEndian.Uint32(raw))))
	case codecOID:
		b.Int64(int64(binary.BigEndian.Uint32(raw)))
	case codecInt8:
		b.Int64(int64(binary.BigEndian.Uint64(raw)))
	case codecFloat4:
		b.Float64(float64(math.Float32frombits(binary.BigEndian.Uint32(raw))))
	case codecFloat8:
		b.Float64(math.Float64frombits(binary.BigEndian.Uint64(raw)))
	case codecDate:
		return r.addDate(b, int32(binary.BigEndian.Uint32(raw)))
	case codecStamp:
		return r.addStamp(b, int64(binary.BigEndian.Uint64(raw)))
	case codecTime:
		return r.addTime(b, int64(binary.BigEndian.Uint64(raw)))
	}
	return nil
}

// addVectorBinary adds a vector of pgvector: its length and a zero in two bytes each, then the numbers.
func (r *reader) addVectorBinary(b *cdc.RowBuilder, c codec, raw []byte) error {
	width := 4
	if c == codecHalf {
		width = 2
	}
	if len(raw) < 4 || len(raw) != 4+width*int(binary.BigEndian.Uint16(raw)) {
		return badValue(c, "binary", raw)
	}
	r.scratch = r.scratch[:0]
	for at := 4; at < len(raw); at += width {
		bits := uint32(0)
		if c == codecHalf {
			bits = math.Float32bits(halfToFloat(binary.BigEndian.Uint16(raw[at:])))
		} else {
			bits = binary.BigEndian.Uint32(raw[at:])
		}
		r.scratch = binary.LittleEndian.AppendUint32(r.scratch, bits)
	}
	b.Bytes(r.scratch)
	return nil
}

// halfToFloat widens a 16-bit float; every one has its float32.
func halfToFloat(h uint16) float32 {
	sign, exponent, fraction := uint32(h&0x8000)<<16, uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch {
	case exponent == 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	case exponent == 0:
		f := float32(fraction) / (1 << 24)
		return math.Float32frombits(sign | math.Float32bits(f))
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// addText adds a value in the text form that a session with ISO dates and UTC writes.
func (r *reader) addText(b *cdc.RowBuilder, c codec, raw []byte) error {
	text := unsafe.String(unsafe.SliceData(raw), len(raw))
	switch c {
	case codecText, codecString, codecTime, codecJSON, codecJSONB, codecNumeric:
		b.Bytes(raw)
		return nil
	case codecBool:
		if text != "t" && text != "f" {
			return badValue(c, "text", raw)
		}
		b.Bool(text == "t")
		return nil
	case codecInt2, codecInt4, codecInt8, codecOID:
		x, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return badValue(c, "text", raw)
		}
		b.Int64(x)
		return nil
	case codecFloat4:
		x, err := strconv.ParseFloat(text, 32)
		if err != nil {
			return badValue(c, "text", raw)
		}
		b.Float64(x)
		return nil
	case codecFloat8:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return badValue(c, "text", raw)
		}
		b.Float64(x)
		return nil
	case codecDate:
		days, err := parseDate(text)
		if err != nil {
			return err
		}
		return r.addDate(b, days)
	case codecStamp:
		micros, err := parseStamp(text)
		if err != nil {
			return err
		}
		return r.addStamp(b, micros)
	}
	return r.addTextOfBytes(b, c, raw)
}

// addTextOfBytes adds what is more than one word in its text form.
func (r *reader) addTextOfBytes(b *cdc.RowBuilder, c codec, raw []byte) error {
	switch c {
	case codecBytea:
		if len(raw) < 2 || raw[0] != '\\' || raw[1] != 'x' {
			return badValue(c, "text", raw)
		}
		return r.addHex(b, c, raw[2:])
	case codecUUID:
		if len(raw) != 36 {
			return badValue(c, "text", raw)
		}
		var digits [32]byte
		n := 0
		for _, x := range raw {
			if x != '-' && n < 32 {
				digits[n] = x
				n++
			}
		}
		if n != 32 {
			return badValue(c, "text", raw)
		}
		return r.addHex(b, c, digits[:])
	case codecVector, codecHalf:
		numbers, err := parseVector(r.scratch[:0], raw)
		if err != nil {
			return err
		}
		r.scratch = numbers
		b.Bytes(numbers)
		return nil
	}
	return badValue(c, "text", raw)
}

func (r *reader) addHex(b *cdc.RowBuilder, c codec, digits []byte) error {
	decoded, err := hex.AppendDecode(r.scratch[:0], digits)
	if err != nil {
		return badValue(c, "text", digits)
	}
	r.scratch = decoded
	b.Bytes(decoded)
	return nil
}

// parseVector reads [1,2.5,-3e-05] into the encoding of a row.
func parseVector(dst, raw []byte) ([]byte, error) {
	if len(raw) < 2 || raw[0] != '[' || raw[len(raw)-1] != ']' {
		return dst, badValue(codecVector, "text", raw)
	}
	raw = raw[1 : len(raw)-1]
	for len(raw) > 0 {
		end := 0
		for end < len(raw) && raw[end] != ',' {
			end++
		}
		x, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(raw), end), 32)
		if err != nil {
			return dst, badValue(codecVector, "text", raw)
		}
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(x)))
		if end == len(raw) {
			return dst, nil
		}
		if raw = raw[end+1:]; len(raw) == 0 {
			return dst, badValue(codecVector, "text", raw)
		}
	}
	return dst, nil
}
