package postgres

import (
	"encoding/binary"
	"fmt"
)

// Signs of a binary numeric.
const (
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericInf      = 0xD000
	numericNegInf   = 0xF000
)

// appendNumeric writes a binary numeric as Postgres writes its text: base-10000 digits, of which the first
// weighs 10000^weight, and scale decimal places.
func appendNumeric(dst, raw []byte) ([]byte, error) {
	if len(raw) < 8 {
		return dst, badValue(codecNumeric, "binary", raw)
	}
	count := int(binary.BigEndian.Uint16(raw))
	weight := int(int16(binary.BigEndian.Uint16(raw[2:])))
	sign, scale := binary.BigEndian.Uint16(raw[4:]), int(binary.BigEndian.Uint16(raw[6:]))
	switch sign {
	case numericNaN:
		return append(dst, "NaN"...), nil
	case numericInf:
		return append(dst, "Infinity"...), nil
	case numericNegInf:
		return append(dst, "-Infinity"...), nil
	case numericNegative:
		dst = append(dst, '-')
	case 0:
	default:
		return dst, badValue(codecNumeric, "binary", raw)
	}
	if len(raw) != 8+2*count {
		return dst, badValue(codecNumeric, "binary", raw)
	}
	digits := raw[8:]
	for at := 0; at < len(digits); at += 2 {
		if binary.BigEndian.Uint16(digits[at:]) > 9999 {
			return dst, fmt.Errorf("%w: a digit of a numeric is out of range", errValue)
		}
	}
	digit := func(i int) uint16 {
		if i < 0 || i >= count {
			return 0
		}
		return binary.BigEndian.Uint16(digits[2*i:])
	}
	dst = appendWhole(dst, weight, digit)
	if scale == 0 {
		return dst, nil
	}
	dst = append(dst, '.')
	end := len(dst) + scale
	for i := weight + 1; len(dst) < end; i++ {
		dst = append4(dst, digit(i))
	}
	return dst[:end], nil
}

// appendWhole writes what stands before the point.
func appendWhole(dst []byte, weight int, digit func(int) uint16) []byte {
	if weight < 0 {
		return append(dst, '0')
	}
	start := len(dst)
	for i := range weight + 1 {
		dst = append4(dst, digit(i))
	}
	zeros := 0
	for zeros < len(dst)-start-1 && dst[start+zeros] == '0' {
		zeros++
	}
	return append(dst[:start], dst[start+zeros:]...)
}

func append4(dst []byte, d uint16) []byte {
	return append(dst, byte('0'+d/1000), byte('0'+d/100%10), byte('0'+d/10%10), byte('0'+d%10))
}
