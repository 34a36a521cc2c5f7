package kernel

import "math/bits"

// dotPortable is the reference of Dot. Four sums run side by side, so that additions do not wait for each other.
func dotPortable(out []int32, q []int8, rows []byte) {
	stride := len(q)
	for i := range out {
		row := rows[i*stride:][:stride]
		var s0, s1, s2, s3 int32
		for j := 0; j+4 <= len(q) && j+4 <= len(row); j += 4 {
			s0 += int32(q[j]) * int32(row[j])
			s1 += int32(q[j+1]) * int32(row[j+1])
			s2 += int32(q[j+2]) * int32(row[j+2])
			s3 += int32(q[j+3]) * int32(row[j+3])
		}
		out[i] = s0 + s1 + s2 + s3
	}
}

// hammingPortable is the reference of Hamming.
func hammingPortable(out []uint16, q, rows []uint64) {
	words := len(q)
	for i := range out {
		row := rows[i*words:][:words]
		n := 0
		for j, w := range row {
			n += bits.OnesCount64(w ^ q[j])
		}
		out[i] = uint16(n)
	}
}

// dotFloatPortable is the reference of DotFloat.
func dotFloatPortable(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	j := 0
	for ; j+4 <= len(a) && j+4 <= len(b); j += 4 {
		s0 += a[j] * b[j]
		s1 += a[j+1] * b[j+1]
		s2 += a[j+2] * b[j+2]
		s3 += a[j+3] * b[j+3]
	}
	for ; j < len(a); j++ {
		s0 += a[j] * b[j]
	}
	return s0 + s1 + s2 + s3
}
