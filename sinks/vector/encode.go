package vector

import (
	"math"
	"math/bits"

	"github.com/freshet/freshet/sinks/vector/kernel"
	"github.com/freshet/freshet/stream"
)

// zeroCode is the code of the value 0: codes are signed bytes biased by 128, the form that the kernels multiply.
const zeroCode = 128

// encoder turns vectors into codes and queries. A vector is rotated first (random signs and Hadamard transforms, an
// orthonormal map that spreads outlier dimensions, so that 8 bits suffice for all of them and so that the signs of
// the codes are a fair 1-bit sketch), then scaled so that its greatest value is 127. The rotation depends on the
// number of dimensions only: codes stay readable as long as encodingVersion stays.
//
// An encoder is immutable and safe for concurrent use.
type encoder struct {
	dims   int
	stride int // bytes of a row of codes, in memory
	metric stream.Metric
	set    kernel.Set
	signs  []float32 // two rounds of dims random signs
}

// encodingVersion is written to the truth and to codes snapshots; another version needs a rebuild.
const encodingVersion = 1

// encoded is a vector as the index keeps it, 12 bits a dimension in two planes: value = 16·(code−128) + nibble − 8.
// The codes alone rank all rows to about 0.99 recall, both planes rank the best of them again to 0.999 and more.
// factor·Σ(value/16)·q approximates the dot product with a rotated query q.
type encoded struct {
	codes  []byte // dims codes, then the nibbles, two in a byte, low one first
	factor float32
	norm2  float32 // squared length
}

func newEncoder(dims int, metric stream.Metric, set kernel.Set) *encoder {
	e := &encoder{dims: dims, stride: kernel.Stride(dims), metric: metric, set: set, signs: make([]float32, 2*dims)}
	// A fixed linear congruential sequence, written out here so that no library can change it under stored codes.
	state := uint64(dims)*0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d
	for i := range e.signs {
		state = state*6364136223846793005 + 1442695040888963407
		e.signs[i] = 1 - 2*float32(state>>63)
	}
	return e
}

// rotate maps v in place. A transform needs a power of two: the first covers the head, the second the tail, and
// their overlap mixes the two.
func (e *encoder) rotate(v []float32) {
	p := 1 << (bits.Len(uint(e.dims)) - 1)
	for i := range v {
		v[i] *= e.signs[i]
	}
	hadamard(v[:p])
	if p == e.dims {
		return
	}
	for i := range v {
		v[i] *= e.signs[e.dims+i]
	}
	hadamard(v[e.dims-p:])
}

// hadamard applies the orthonormal Walsh-Hadamard transform; the length of v is a power of two.
func hadamard(v []float32) {
	half := 1
	// Two rounds at once where a round has few values side by side.
	for ; half < 16 && 4*half <= len(v); half *= 4 {
		for start := 0; start < len(v); start += 4 * half {
			q := v[start : start+4*half]
			a, b, c, d := q[:half], q[half:2*half], q[2*half:3*half], q[3*half:]
			for i := range a {
				sumAB, sumCD := a[i]+b[i], c[i]+d[i]
				difAB, difCD := a[i]-b[i], c[i]-d[i]
				a[i], b[i], c[i], d[i] = sumAB+sumCD, difAB+difCD, sumAB-sumCD, difAB-difCD
			}
		}
	}
	for ; half < len(v); half *= 2 {
		for start := 0; start < len(v); start += 2 * half {
			a, b := v[start:start+half], v[start+half:start+2*half]
			b = b[:len(a)]
			for i, x := range a {
				y := b[i]
				a[i], b[i] = x+y, x-y
			}
		}
	}
	scale := float32(1 / math.Sqrt(float64(len(v))))
	for i := range v {
		v[i] *= scale
	}
}

// prepare checks and rotates a vector into scratch, which it returns with the squared length that the metric sees.
// Under cosine the result has length 1.
func (e *encoder) prepare(v, scratch []float32) (rotated []float32, norm2 float32, err error) {
	if len(v) != e.dims {
		return nil, 0, &DimsError{Got: len(v), Want: e.dims}
	}
	rotated = append(scratch[:0], v...)
	sum := float64(e.set.DotFloat(v, v))
	// The float32 sum is exact enough unless it over- or underflows.
	if math.IsNaN(sum) || math.IsInf(sum, 0) || sum < 1e-30 || sum > 1e30 {
		sum = 0
		for _, x := range v {
			if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, 0, ErrNotFinite
			}
			sum += float64(x) * float64(x)
		}
	}
	if sum == 0 {
		return nil, 0, ErrZeroVector
	}
	if e.metric == stream.Cosine {
		inv := float32(1 / math.Sqrt(sum))
		if math.IsInf(float64(inv), 0) { // a length that float32 cannot invert
			scale := 1 / math.Sqrt(sum)
			for i := range rotated {
				rotated[i] = float32(float64(rotated[i]) * scale)
			}
		} else {
			for i := range rotated {
				rotated[i] *= inv
			}
		}
		sum = 1
	} else if sum > 1e30 || sum < 1e-30 {
		return nil, 0, ErrOutOfRange
	}
	e.rotate(rotated)
	return rotated, float32(sum), nil
}

// codeBytes returns the bytes that the codes of one vector take.
func (e *encoder) codeBytes() int { return e.dims + e.fineBytes() }

// fineBytes returns the bytes that the nibbles of one vector take.
func (e *encoder) fineBytes() int { return (e.dims + 1) / 2 }

// encode writes the codes of v into codes, which has codeBytes zero bytes, using scratch.
func (e *encoder) encode(v []float32, codes []byte, scratch []float32) (encoded, error) {
	x, norm2, err := e.prepare(v, scratch)
	if err != nil {
		return encoded{}, err
	}
	inv := 127 * 16 / greatest(x)
	var along float32 // Σ value·x: how much of x the codes hold
	fine := codes[e.dims:]
	for i, f := range x {
		// Conversions keep compilers from fusing operations, which would round otherwise on other machines.
		n := roundToInt(float32(f * inv))
		code := (n + 8) >> 4
		codes[i] = byte(code + zeroCode)
		fine[i/2] |= byte(n-16*code+8) << (i % 2 * 4)
		along += float32(float32(n) * f)
	}
	// norm2/along instead of 1/inv makes the product of a vector with its own codes exact.
	return encoded{codes: codes, factor: 16 * norm2 / along, norm2: norm2}, nil
}

// greatest returns the greatest magnitude in x, whose values are finite. Without the sign the bits of floats order
// as integers do, which takes no care of NaN.
func greatest(x []float32) float32 {
	var m uint32
	for _, f := range x {
		m = max(m, math.Float32bits(f)&^(1<<31))
	}
	return math.Float32frombits(m)
}

// roundToInt rounds to the nearest integer; |f| is below 2²².
func roundToInt(f float32) int32 {
	const magic = 1 << 23 * 1.5
	return int32(math.Float32bits(f+magic)&0x7fffff) - 0x400000
}

// query is a search vector in the form that kernels take: 15 bits in two planes, value = 128·hi + lo. The high plane
// alone ranks all rows; both planes rank the best again.
type query struct {
	hi, lo       []int8 // stride long, zero beyond dims
	sumHi, sumLo int32  // 128·Σ of the plane: what the bias of the codes adds to a product
	scale        float32
	norm2        float32
	bits         []uint64
}

// query encodes a search vector.
func (e *encoder) query(v []float32) (*query, error) {
	x, norm2, err := e.prepare(v, make([]float32, 0, e.dims))
	if err != nil {
		return nil, err
	}
	q := e.planes(x)
	q.norm2 = norm2
	return q, nil
}

// planes quantises a rotated vector.
func (e *encoder) planes(x []float32) *query {
	q := &query{hi: make([]int8, e.stride), lo: make([]int8, e.stride), bits: make([]uint64, kernel.Words(e.dims))}
	const top = 127 * 128
	m := greatest(x)
	inv := top / m
	q.scale = m / top
	for i, f := range x {
		n := roundToInt(float32(f * inv))
		hi := (n + 64) >> 7
		lo := n - hi*128
		q.hi[i], q.lo[i] = int8(hi), int8(lo)
		q.sumHi += zeroCode * hi
		q.sumLo += zeroCode * lo
		if f >= 0 {
			q.bits[i/64] |= 1 << (i % 64)
		}
	}
	return q
}
