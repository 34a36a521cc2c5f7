package arrowrow

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// maxZeros bounds the zeros that an exponent or a scale may stand for: no decimal of Arrow has more digits.
const maxZeros = 80

// scaled reads a decimal as an integer of units of 10^-scale. It never rounds: digits that do not fit
// are an error.
func scaled(text string, p Precision) (*big.Int, error) {
	unfit := func() (*big.Int, error) {
		return nil, fmt.Errorf("%.40q does not fit a decimal of %d digits, %d behind the point", text, p.Digits, p.Scale)
	}
	mantissa, exponent := text, 0
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(text[i+1:]); err != nil {
			return unfit()
		}
		mantissa = text[:i]
	}
	negative := strings.HasPrefix(mantissa, "-")
	mantissa = strings.TrimLeft(mantissa, "+-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if whole+fraction == "" || strings.Trim(digits, "0123456789") != "" {
		return unfit() // NaN and Infinity among them
	}
	if digits == "" {
		return new(big.Int), nil
	}
	shift := int(p.Scale) + exponent - len(fraction)
	if shift < 0 {
		kept := strings.TrimRight(digits, "0")
		if len(digits)-len(kept) < -shift {
			return unfit()
		}
		digits, shift = digits[:len(digits)+shift], 0
	}
	if shift > maxZeros || len(digits)+shift > int(p.Digits) {
		return unfit()
	}
	n, ok := new(big.Int).SetString(digits+strings.Repeat("0", shift), 10)
	if !ok {
		return unfit()
	}
	if negative {
		n.Neg(n)
	}
	return n, nil
}

// appendUnscaled writes n units of 10^-scale with all their places.
func appendUnscaled(dst []byte, n *big.Int, scale int32) []byte {
	from := len(dst)
	dst = n.Append(dst, 10)
	if scale <= 0 {
		if n.Sign() != 0 {
			dst = append(dst, strings.Repeat("0", int(-scale))...)
		}
		return dst
	}
	if dst[from] == '-' {
		from++
	}
	if missing := int(scale) + 1 - (len(dst) - from); missing > 0 {
		digits := string(dst[from:])
		dst = append(append(dst[:from], strings.Repeat("0", missing)...), digits...)
	}
	point := len(dst) - int(scale)
	dst = append(dst, 0)
	copy(dst[point+1:], dst[point:])
	dst[point] = '.'
	return dst
}
