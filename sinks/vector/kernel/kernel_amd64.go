package kernel

import "golang.org/x/sys/cpu"

// best is found once, when the program starts, and never changes.
var best = detect()

func detect() Set {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA || !x.HasPOPCNT {
		return Portable
	}
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512VNNI && x.HasAVX512VPOPCNTDQ {
		return AVX512
	}
	return AVX2
}

func (s Set) dot(out []int32, q []int8, rows []byte) {
	switch s {
	case AVX512:
		dotAVX512(&out[0], &q[0], &rows[0], len(q), len(out))
	case AVX2:
		dotAVX2(&out[0], &q[0], &rows[0], len(q), len(out))
	default:
		dotPortable(out, q, rows)
	}
}

func (s Set) hamming(out []uint16, q, rows []uint64) {
	switch s {
	case AVX512:
		hammingAVX512(&out[0], &q[0], &rows[0], len(q), len(out))
	case AVX2:
		hammingPopcnt(&out[0], &q[0], &rows[0], len(q), len(out))
	default:
		hammingPortable(out, q, rows)
	}
}

// dotFloat leaves what does not fill a vector register to the reference.
func (s Set) dotFloat(a, b []float32) float32 {
	n := len(a) &^ 31
	if s == Portable || n == 0 {
		return dotFloatPortable(a, b)
	}
	var sum float32
	if s == AVX512 {
		sum = dotFloatAVX512(&a[0], &b[0], n)
	} else {
		sum = dotFloatAVX2(&a[0], &b[0], n)
	}
	return sum + dotFloatPortable(a[n:], b[n:])
}

// The assembly reads stride·n bytes of rows, or words·n words; n is at least 1 and stride a multiple of 64.

//go:noescape
func dotAVX512(out *int32, q *int8, rows *byte, stride, n int)

//go:noescape
func dotAVX2(out *int32, q *int8, rows *byte, stride, n int)

//go:noescape
func hammingAVX512(out *uint16, q, rows *uint64, words, n int)

//go:noescape
func hammingPopcnt(out *uint16, q, rows *uint64, words, n int)

// n is a multiple of 32 and at least 32.
//
//go:noescape
func dotFloatAVX512(a, b *float32, n int) float32

//go:noescape
func dotFloatAVX2(a, b *float32, n int) float32
