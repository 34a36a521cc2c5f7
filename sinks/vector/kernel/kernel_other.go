//go:build !amd64

package kernel

const best = Portable

func (s Set) dot(out []int32, q []int8, rows []byte) { dotPortable(out, q, rows) }

func (s Set) hamming(out []uint16, q, rows []uint64) { hammingPortable(out, q, rows) }

func (s Set) dotFloat(a, b []float32) float32 { return dotFloatPortable(a, b) }
