package statestore

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
)

// comparerName is stored in every database and can never change.
const comparerName = "freshet.v1"

// tupleComparer orders encoded keys as bytes and tells Pebble where the owner ends, so that bloom
// filters and prefix seeks work on owners. A key is split after its first zero byte; a key without
// one, such as a bound or a shortened separator, is all prefix. No prefix then begins another, so
// comparing prefix first and suffix second is the same as comparing all bytes.
func tupleComparer() *pebble.Comparer {
	bytewise := pebble.DefaultComparer
	return &pebble.Comparer{
		Name:                 comparerName,
		Split:                splitOwner,
		Compare:              bytes.Compare,
		Equal:                bytes.Equal,
		ComparePointSuffixes: bytes.Compare,
		CompareRangeSuffixes: bytes.Compare,
		AbbreviatedKey:       bytewise.AbbreviatedKey,
		Separator:            bytewise.Separator,
		Successor:            bytewise.Successor,
		ImmediateSuccessor:   ownerSuccessor,
		FormatKey:            bytewise.FormatKey,
	}
}

func splitOwner(key []byte) int {
	if i := bytes.IndexByte(key, ownerEnd); i >= 0 {
		return i + 1
	}
	return len(key)
}

// ownerSuccessor appends the smallest prefix above prefix: what follows an ended owner is the next
// owner, since anything appended to it would be a child.
func ownerSuccessor(dst, prefix []byte) []byte {
	dst = append(dst, prefix...)
	if n := len(prefix); n > 0 && prefix[n-1] == ownerEnd {
		dst[len(dst)-1] = ownerEnd + 1
		return dst
	}
	return append(dst, ownerEnd)
}
