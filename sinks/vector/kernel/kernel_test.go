package kernel_test

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/freshet/freshet/sinks/vector/kernel"
)

// naiveDot is written apart from every kernel, as plainly as can be.
func naiveDot(q []int8, row []byte) int32 {
	var s int64
	for i := range q {
		s += int64(q[i]) * int64(row[i])
	}
	return int32(s)
}

func naiveHamming(q, row []uint64) uint16 {
	n := 0
	for i := range q {
		n += bits.OnesCount64(q[i] ^ row[i])
	}
	return uint16(n)
}

func TestEverySetEqualsThePlainSum(t *testing.T) {
	for _, set := range kernel.Available() {
		for _, stride := range []int{64, 128, 192, 384, 448, 1536, 16384} {
			for _, rows := range []int{1, 2, 3, 4, 5, 7, 8, 63, 64} {
				t.Run(fmt.Sprintf("%v with %d rows of %d codes", set, rows, stride), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(stride), uint64(rows)))
					// Unaligned starts: a row may begin at any address.
					off := r.IntN(63)
					q := make([]int8, off+stride)[off:]
					codes := make([]byte, off+rows*stride)[off:]
					for i := range q {
						q[i] = int8(r.Uint32())
					}
					for i := range codes {
						codes[i] = byte(r.Uint32())
					}
					// The extremes, where saturating instructions go wrong.
					for i := range stride {
						codes[i] = 255
						if i < stride/2 {
							q[i] = -128
						} else if i < stride {
							q[i] = 127
						}
					}
					out := make([]int32, rows+1)
					out[rows] = 42
					set.Dot(out[:rows], q, codes)
					for i := range rows {
						if want := naiveDot(q, codes[i*stride:][:stride]); out[i] != want {
							t.Fatalf("row %d: got %d, want %d", i, out[i], want)
						}
					}
					if out[rows] != 42 {
						t.Fatal("wrote beyond the end of out")
					}
				})
			}
		}
	}
}

func TestEverySetCountsDifferingBits(t *testing.T) {
	for _, set := range kernel.Available() {
		for words := 1; words <= 33; words++ {
			for _, rows := range []int{1, 2, 5, 64} {
				r := rand.New(rand.NewPCG(uint64(words), uint64(rows)))
				q, bitRows := make([]uint64, words), make([]uint64, words*rows)
				for i := range q {
					q[i] = r.Uint64()
				}
				for i := range bitRows {
					bitRows[i] = r.Uint64()
				}
				for i := range words { // the greatest distance
					bitRows[i] = ^q[i]
				}
				out := make([]uint16, rows+1)
				out[rows] = 42
				set.Hamming(out[:rows], q, bitRows)
				for i := range rows {
					if want := naiveHamming(q, bitRows[i*words:][:words]); out[i] != want {
						t.Fatalf("%v, %d words, row %d: got %d, want %d", set, words, i, out[i], want)
					}
				}
				if out[rows] != 42 {
					t.Fatal("wrote beyond the end of out")
				}
			}
		}
	}
}

func TestFloatDotStaysWithinTheStatedTolerance(t *testing.T) {
	for _, set := range kernel.Available() {
		for n := range 300 {
			r := rand.New(rand.NewPCG(uint64(n), 7))
			a, b := make([]float32, n), make([]float32, n)
			var want, magnitude float64
			for i := range a {
				a[i], b[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
				want += float64(a[i]) * float64(b[i])
				magnitude += math.Abs(float64(a[i]) * float64(b[i]))
			}
			got := float64(set.DotFloat(a, b))
			if tolerance := 2 * float64(n) * math.Pow(2, -24) * magnitude; math.Abs(got-want) > tolerance {
				t.Fatalf("%v, n=%d: got %g, want %g ± %g", set, n, got, want, tolerance)
			}
		}
	}
}

func TestWrongShapesPanicInsteadOfReadingBeyondTheEnd(t *testing.T) {
	mustPanic := func(name string, fn func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		fn()
	}
	for _, set := range kernel.Available() {
		mustPanic("stride not padded", func() { set.Dot(make([]int32, 1), make([]int8, 63), make([]byte, 64)) })
		mustPanic("rows too short", func() { set.Dot(make([]int32, 2), make([]int8, 64), make([]byte, 127)) })
		mustPanic("no words", func() { set.Hamming(make([]uint16, 1), nil, nil) })
		mustPanic("bit rows too short", func() { set.Hamming(make([]uint16, 2), make([]uint64, 2), make([]uint64, 3)) })
		mustPanic("floats too short", func() { set.DotFloat(make([]float32, 40), make([]float32, 39)) })
	}
}

func TestStrideAndWordsRoundUp(t *testing.T) {
	for _, c := range []struct{ dims, stride, words int }{{1, 64, 1}, {64, 64, 1}, {65, 128, 2}, {384, 384, 6}, {1000, 1024, 16}} {
		if got := kernel.Stride(c.dims); got != c.stride {
			t.Errorf("Stride(%d) = %d, want %d", c.dims, got, c.stride)
		}
		if got := kernel.Words(c.dims); got != c.words {
			t.Errorf("Words(%d) = %d, want %d", c.dims, got, c.words)
		}
	}
}

func FuzzDot(f *testing.F) {
	f.Add([]byte{1, 2, 3, 255, 128, 127}, uint8(1), uint8(3), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, lanes, rows, offset uint8) {
		stride, n, off := (int(lanes)%8+1)*kernel.Lane, int(rows)%20+1, int(offset)%64
		q, codes := make([]int8, off+stride)[off:], make([]byte, off+stride*n)[off:]
		for i := range codes {
			if len(data) > 0 {
				codes[i] = data[i%len(data)] + byte(i)
				q[i%stride] = int8(data[(i*7)%len(data)])
			}
		}
		for _, set := range kernel.Available() {
			out := make([]int32, n)
			set.Dot(out, q, codes)
			for i := range out {
				if want := naiveDot(q, codes[i*stride:][:stride]); out[i] != want {
					t.Fatalf("%v row %d: got %d, want %d", set, i, out[i], want)
				}
			}
		}
	})
}

func FuzzHamming(f *testing.F) {
	f.Add(uint64(1), uint8(6), uint8(9))
	f.Fuzz(func(t *testing.T, seed uint64, words, rows uint8) {
		w, n := int(words)%40+1, int(rows)%20+1
		r := rand.New(rand.NewPCG(seed, 1))
		q, bitRows := make([]uint64, w), make([]uint64, w*n)
		for i := range bitRows {
			bitRows[i] = r.Uint64()
			q[i%w] = r.Uint64()
		}
		for _, set := range kernel.Available() {
			out := make([]uint16, n)
			set.Hamming(out, q, bitRows)
			for i := range out {
				if want := naiveHamming(q, bitRows[i*w:][:w]); out[i] != want {
					t.Fatalf("%v row %d: got %d, want %d", set, i, out[i], want)
				}
			}
		}
	})
}

func BenchmarkDot(b *testing.B) {
	const stride, rows = 384, 64
	q, codes, out := make([]int8, stride), make([]byte, stride*rows), make([]int32, rows)
	for _, set := range kernel.Available() {
		b.Run(set.String(), func(b *testing.B) {
			b.SetBytes(stride * rows)
			for b.Loop() {
				set.Dot(out, q, codes)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}

func BenchmarkHamming(b *testing.B) {
	const words, rows = 6, 64
	q, bitRows, out := make([]uint64, words), make([]uint64, words*rows), make([]uint16, rows)
	for _, set := range kernel.Available() {
		b.Run(set.String(), func(b *testing.B) {
			for b.Loop() {
				set.Hamming(out, q, bitRows)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}

func BenchmarkDotFloat(b *testing.B) {
	x, y := make([]float32, 384), make([]float32, 384)
	for _, set := range kernel.Available() {
		b.Run(set.String(), func(b *testing.B) {
			for b.Loop() {
				set.DotFloat(x, y)
			}
		})
	}
}
