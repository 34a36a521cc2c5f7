// Package kernel holds the inner loops of the embedded vector index: dot products of a signed query with biased
// 8-bit rows, Hamming distances of bit rows, and dot products of 32-bit floats.
//
// Every loop exists twice: in Go, which is the reference and runs everywhere, and in assembly for amd64. A [Set]
// names one implementation; [Best] is the fastest that this processor runs. Integer results are equal bit for bit
// in all sets; float results differ by the order of summation only, that is by at most 2·n·2⁻²⁴ of Σ|aᵢ·bᵢ|.
//
// Nothing here allocates, blocks or keeps state, so all functions may run concurrently.
//
// It imports none of Freshet's packages.
package kernel

import "fmt"

// Lane is the number of bytes that a row of codes is padded to. A stride is a multiple of it.
const Lane = 64

// DimsMax is the greatest length of a row for which a sum of products stays below 2³¹.
const DimsMax = 1 << 16

// Set is one implementation of the kernels.
type Set uint8

// The implementations, slowest first.
const (
	Portable Set = iota // Go only
	AVX2                // amd64 with AVX2, FMA and POPCNT
	AVX512              // amd64 with AVX-512 F, BW, VL, VNNI and VPOPCNTDQ
)

// String returns the name of the set, as statistics show it.
func (s Set) String() string {
	switch s {
	case Portable:
		return "portable"
	case AVX2:
		return "avx2"
	case AVX512:
		return "avx512-vnni"
	}
	return fmt.Sprintf("kernel.Set(%d)", uint8(s))
}

// Best returns the fastest set that this processor runs.
func Best() Set { return best }

// Available returns every set that this processor runs, slowest first.
func Available() []Set {
	sets := make([]Set, 0, 3)
	for s := Portable; s <= best; s++ {
		sets = append(sets, s)
	}
	return sets
}

// Stride returns the bytes that a row of dims codes takes: dims rounded up to a multiple of [Lane].
func Stride(dims int) int { return (dims + Lane - 1) / Lane * Lane }

// Words returns the 64-bit words that a row of dims bits takes.
func Words(dims int) int { return (dims + 63) / 64 }

// Dot stores in out[i] the sum of q[j]·rows[i·len(q)+j]: a signed query against unsigned rows. Codes are biased by
// 128, so that the dot product of the signed codes is out[i] − 128·Σq. The length of q is a multiple of [Lane] and
// rows holds len(out) rows; Dot panics otherwise.
func (s Set) Dot(out []int32, q []int8, rows []byte) {
	if len(out) == 0 {
		return
	}
	if len(q) == 0 || len(q)%Lane != 0 || len(q) > DimsMax || len(rows) < len(out)*len(q) {
		panic(fmt.Sprintf("kernel: dot of %d codes with %d rows in %d bytes", len(q), len(out), len(rows)))
	}
	s.dot(out, q, rows)
}

// Hamming stores in out[i] the number of bits in which row i differs from q. The rows lie one behind the other, each
// as long as q; Hamming panics when rows is shorter or q is empty or longer than 1,023 words.
func (s Set) Hamming(out []uint16, q, rows []uint64) {
	if len(out) == 0 {
		return
	}
	if len(q) == 0 || len(q) > 1023 || len(rows) < len(out)*len(q) {
		panic(fmt.Sprintf("kernel: hamming of %d words with %d rows in %d words", len(q), len(out), len(rows)))
	}
	s.hamming(out, q, rows)
}

// DotFloat returns the dot product of two vectors of the same length; it panics when b is shorter than a.
func (s Set) DotFloat(a, b []float32) float32 {
	b = b[:len(a)]
	if len(a) == 0 {
		return 0
	}
	return s.dotFloat(a, b)
}
