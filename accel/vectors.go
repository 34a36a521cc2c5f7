package accel

import "fmt"

// CheckVectors reports what is wrong with the vectors of a reply to n texts; dims is their length, or 0
// where they only have to agree with each other.
func CheckVectors(vectors [][]float32, n, dims int) error {
	if len(vectors) != n {
		return malformed("the reply has %d vectors for %d texts", len(vectors), n)
	}
	for _, v := range vectors {
		if dims == 0 {
			dims = len(v)
		}
		if len(v) != dims || dims == 0 {
			return MalformedDims(len(v), dims)
		}
		for _, x := range v {
			if x-x != 0 {
				return malformed("the reply has a number that is not finite")
			}
		}
	}
	return nil
}

// MalformedDims is the error of a reply with a vector of another length than is wanted.
func MalformedDims(got, want int) *Error {
	err := malformed("the reply has a vector of %d dimensions, not %d", got, want)
	err.Dims = got
	return err
}

func malformed(format string, args ...any) *Error {
	return &Error{Kind: Malformed, Status: 200, Message: fmt.Sprintf(format, args...)}
}
