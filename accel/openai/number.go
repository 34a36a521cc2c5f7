package openai

import (
	"math"
	"strconv"
	"unsafe"
)

// number reads a JSON number. NaN and Infinity, which some servers write, are none.
func (s *scanner) number() []byte {
	s.peek()
	d := decimal{data: s.data, at: s.at}
	if !d.read() || s.err != nil {
		s.fail("the reply has no finite number at byte %d", s.at)
		return nil
	}
	token := s.data[s.at:d.at]
	s.at = d.at
	return token
}

// float reads a JSON number as the float32 that is nearest to it.
func (s *scanner) float() float32 {
	s.peek()
	d := decimal{data: s.data, at: s.at}
	if !d.read() || s.err != nil {
		s.fail("the reply has no finite number at byte %d", s.at)
		return 0
	}
	token := s.data[s.at:d.at]
	s.at = d.at
	if x, ok := d.float32(); ok {
		return x
	}
	// ParseFloat does not keep its argument, and nothing writes to the reply meanwhile.
	x, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(token), len(token)), 32)
	if err != nil {
		s.fail("the reply has a number that is not finite")
	}
	return float32(x)
}

// maxDigits fit into a uint64, whatever they are.
const maxDigits = 19

// decimal is a number as it is written: mantissa × 10^exponent.
type decimal struct {
	data     []byte
	at       int
	negative bool
	mantissa uint64
	digits   int // more than maxDigits: the mantissa has overflowed
	exponent int
}

// read reads the number at the place; it reports false for what JSON does not call a number.
func (d *decimal) read() bool {
	if d.at < len(d.data) && d.data[d.at] == '-' {
		d.negative = true
		d.at++
	}
	whole := d.at
	n := d.run()
	if n == 0 || n > 1 && d.data[whole] == '0' {
		return false
	}
	if d.at < len(d.data) && d.data[d.at] == '.' {
		d.at++
		n = d.run()
		d.exponent = -n
		if n == 0 {
			return false
		}
	}
	if d.at < len(d.data) && d.data[d.at]|0x20 == 'e' {
		d.at++
		return d.power()
	}
	return true
}

// run reads digits into the mantissa and returns how many there were.
func (d *decimal) run() int {
	data, from, at := d.data, d.at, d.at
	mantissa := d.mantissa
	for at < len(data) {
		c := data[at] - '0'
		if c > 9 {
			break
		}
		mantissa = mantissa*10 + uint64(c)
		at++
	}
	if d.mantissa == 0 {
		d.digits = 0 // leading zeros fill nothing
		for i := from; i < at && data[i] == '0'; i++ {
			d.digits--
		}
	}
	d.digits += at - from
	d.mantissa, d.at = mantissa, at
	return at - from
}

// power reads what follows an e.
func (d *decimal) power() bool {
	sign := 1
	if d.at < len(d.data) && (d.data[d.at] == '+' || d.data[d.at] == '-') {
		sign = int(',') - int(d.data[d.at])
		d.at++
	}
	from, power := d.at, 0
	for ; d.at < len(d.data) && d.data[d.at]-'0' <= 9; d.at++ {
		power = min(10*power+int(d.data[d.at]-'0'), 1<<20)
	}
	d.exponent += sign * power
	return d.at > from
}

// float32 returns the nearest float32 where that is certain at once, which it nearly always is.
//
// The mantissa converted to float64 is off by at most half a unit in the last place, and so is the
// quotient or product with an exact power of ten: together less than two units. Rounding to float32
// drops 29 bits, so the result is that of the exact value unless these bits are within two units of
// the half between two float32. The range keeps clear of numbers that float32 holds with fewer bits.
func (d *decimal) float32() (float32, bool) {
	if d.digits > maxDigits || d.exponent < -22 || d.exponent > 22 {
		return 0, false
	}
	x := float64(d.mantissa)
	if d.exponent < 0 {
		x /= exactPowers[-d.exponent]
	} else {
		x *= exactPowers[d.exponent]
	}
	const dropped, half, margin = 1<<29 - 1, 1 << 28, 4
	rest := math.Float64bits(x) & dropped
	if d.mantissa != 0 && (x < 1e-30 || x > 1e30 || rest-(half-margin) <= 2*margin) {
		return 0, false
	}
	if d.negative {
		x = -x
	}
	return float32(x), true
}

// exactPowers are the powers of ten that a float64 holds exactly.
var exactPowers = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}
