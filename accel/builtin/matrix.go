package builtin

import (
	_ "embed"
	"math"
	"math/bits"
)

const (
	rows    = 30522 // pieces
	columns = 256   // numbers of a piece's vector

	// zero is the byte that stands for 0: a byte is a number plus zero. All rows have one scale, which the length of
	// the result does not depend on.
	zero = 128
)

// matrix holds the vectors of the pieces, row by row.
//
//go:embed vectors.bin
var matrix string

// unit is the weight of a piece that a text has once.
const unit = 64

// weight is that of a piece which a text has count times: unit times the square root. What is repeated says more, but
// not as much more: this is how the vectors were fitted.
func weight(count uint32) int64 {
	return int64(math.Sqrt(unit * unit * float64(count))) // a correctly rounded root, the same everywhere
}

// lanes are every other byte of eight.
const lanes = 0x00ff_00ff_00ff_00ff

// addRows adds the vectors of the pieces, each times weight, to the first dims sums, and to some more of the last
// sixteen. Numbers are added as bytes in lanes of sixteen bits, which hold the sum of 257 of them.
func addRows(sums *[columns]int64, pieces []uint16, weight int64, dims int) {
	for len(pieces) > 0 {
		part := pieces[:min(len(pieces), 257)]
		pieces = pieces[len(part):]
		bias := int64(zero * len(part))
		for c := 0; c < dims; c += 16 {
			var even, odd, even2, odd2 uint64
			for _, p := range part {
				b := matrix[int(p)*columns+c:][:16]
				x, y := eight(b, 0), eight(b, 8)
				even += x & lanes
				odd += x >> 8 & lanes
				even2 += y & lanes
				odd2 += y >> 8 & lanes
			}
			to := sums[c : c+16 : c+16]
			for i := 0; i < 8; i += 2 {
				to[i] += weight * (int64(even&0xffff) - bias)
				to[i+1] += weight * (int64(odd&0xffff) - bias)
				to[i+8] += weight * (int64(even2&0xffff) - bias)
				to[i+9] += weight * (int64(odd2&0xffff) - bias)
				even, odd, even2, odd2 = even>>16, odd>>16, even2>>16, odd2>>16
			}
		}
	}
}

// eight are the bytes of s from i on, the first one lowest.
func eight(s string, i int) uint64 {
	b := s[i : i+8]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// ownDirection writes the vector of a text in which nothing is known, or whose pieces cancel out. Any direction is as
// good, as long as it is the text's own: two such texts are near to each other by chance only.
func ownDirection(text string, vector []float32) {
	h := uint64(0x9e3779b97f4a7c15)
	for _, c := range []byte(text) {
		h = mix(h ^ uint64(c))
	}
	length := float32(math.Sqrt(float64(len(vector))))
	for i := range vector {
		if h = mix(h); h>>63 == 0 {
			vector[i] = 1 / length
		} else {
			vector[i] = -1 / length
		}
	}
}

// mix spreads a number over all 64 bits.
func mix(h uint64) uint64 {
	high, low := bits.Mul64(h^0xa0761d6478bd642f, 0xe7037ed1a0b428db)
	return high ^ low
}
