package cdc

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Decimals in keys are ordered as numbers: 1.0 and 1.00 are one key.
//
//	0x00 NaN · 0x01 -Infinity · 0x02 negative · 0x03 zero · 0x04 positive · 0x05 Infinity
//
// then, for numbers other than zero, the exponent e of 0.d₁d₂… × 10^e (four bytes, sign flipped) and
// the digits, each plus one, ended by a zero byte; negative numbers have these bytes complemented.
const (
	decNaN byte = iota
	decNegInf
	decNegative
	decZero
	decPositive
	decInf
)

// maxExponent bounds exponents, so that arithmetic on them cannot overflow.
const maxExponent = 1 << 24

func appendDecimal(dst []byte, text string) ([]byte, error) {
	switch strings.ToLower(text) {
	case "nan":
		return append(dst, decNaN), nil
	case "infinity", "+infinity", "inf", "+inf":
		return append(dst, decInf), nil
	case "-infinity", "-inf":
		return append(dst, decNegInf), nil
	}
	negative, digits, exponent, err := splitDecimal(text)
	if err != nil {
		return dst, err
	}
	if digits == "" {
		return append(dst, decZero), nil
	}
	mask, sign := byte(0), decPositive
	if negative {
		mask, sign = 0xff, decNegative
	}
	dst = append(dst, sign)
	var e [4]byte
	binary.BigEndian.PutUint32(e[:], uint32(int32(exponent))^1<<31)
	for _, c := range e {
		dst = append(dst, c^mask)
	}
	for i := range len(digits) {
		dst = append(dst, (digits[i]-'0'+1)^mask)
	}
	return append(dst, mask), nil
}

// splitDecimal gives the digits without zeros around them and the exponent of 0.digits × 10^e.
func splitDecimal(text string) (negative bool, digits string, exponent int, err error) {
	bad := func() (bool, string, int, error) {
		return false, "", 0, fmt.Errorf("%w: %q is no decimal", ErrKey, text)
	}
	s := text
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative, s = s[0] == '-', s[1:]
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if exponent, err = strconv.Atoi(s[i+1:]); err != nil || exponent > maxExponent || exponent < -maxExponent {
			return bad()
		}
		s = s[:i]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return bad()
	}
	digits = whole + fraction
	exponent += len(whole)
	trimmed := strings.TrimLeft(digits, "0")
	exponent -= len(digits) - len(trimmed)
	return negative, strings.TrimRight(trimmed, "0"), exponent, nil
}

func cutDecimal(b []byte) (string, []byte, error) {
	if len(b) == 0 {
		return "", nil, ErrKey
	}
	sign, b := b[0], b[1:]
	switch sign {
	case decNaN:
		return "NaN", b, nil
	case decNegInf:
		return "-Infinity", b, nil
	case decInf:
		return "Infinity", b, nil
	case decZero:
		return "0", b, nil
	}
	mask, text := byte(0), ""
	if sign == decNegative {
		mask, text = 0xff, "-"
	}
	if sign > decInf || len(b) < 5 {
		return "", nil, ErrKey
	}
	var e [4]byte
	for i := range e {
		e[i] = b[i] ^ mask
	}
	exponent := int(int32(binary.BigEndian.Uint32(e[:]) ^ 1<<31))
	b = b[4:]
	var digits []byte
	for i, c := range b {
		if c ^= mask; c == 0 {
			return text + plainDecimal(digits, exponent), b[i+1:], nil
		}
		if c > 10 {
			return "", nil, ErrKey
		}
		digits = append(digits, '0'+c-1)
	}
	return "", nil, ErrKey
}

// plainDecimal writes 0.digits × 10^e without an exponent where that stays short.
func plainDecimal(digits []byte, e int) string {
	switch {
	case e > len(digits)+40 || e < -40:
		return "0." + string(digits) + "e" + strconv.Itoa(e)
	case e <= 0:
		return "0." + strings.Repeat("0", -e) + string(digits)
	case e >= len(digits):
		return string(digits) + strings.Repeat("0", e-len(digits))
	}
	return string(digits[:e]) + "." + string(digits[e:])
}
