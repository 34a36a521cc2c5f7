package s3

import (
	"encoding/binary"
	"time"
)

// object is what stands under a key, as a listing or a look tells it.
type object struct {
	key       string
	size      int64
	etag      string // without quotes
	modified  time.Time
	mediaType string // empty: it was not told, or says nothing
	archived  bool   // it has to be restored before it can be read
}

// outcome is what became of an object.
type outcome uint8

const (
	accepted outcome = iota
	tooLarge
	archived
	stale // the note is of another form: known, but to be looked at again
)

// String is the code of a rejection.
func (o outcome) String() string {
	return [...]string{"accepted", "too_large", "archived", "stale"}[o]
}

// note is what the ledger keeps of an object.
type note struct {
	outcome outcome
	size    int64
	etag    string
}

// A note is its form, the outcome, the size in 8 bytes, and the ETag.
const (
	noteForm  = 1
	noteBytes = 2 + 8
)

func (n note) append(dst []byte) []byte {
	dst = append(dst, noteForm, byte(n.outcome))
	dst = binary.BigEndian.AppendUint64(dst, uint64(n.size))
	return append(dst, n.etag...)
}

// decodeNote never fails: what it cannot read is stale, so that the object is looked at and noted again.
func decodeNote(b []byte) note {
	if len(b) < noteBytes || b[0] != noteForm || outcome(b[1]) >= stale {
		return note{outcome: stale}
	}
	return note{outcome: outcome(b[1]), size: int64(binary.BigEndian.Uint64(b[2:])), etag: string(b[noteBytes:])}
}

// fits reports whether an object needs no second look under the size limit. Its time does not count: what two
// writes within a second leave differs in its ETag alone.
func (n note) fits(o *object, maxSize int64) bool {
	if n.size != o.size || n.etag != o.etag {
		return false
	}
	switch n.outcome {
	case accepted:
		return o.size <= maxSize
	case tooLarge:
		return o.size > maxSize
	case archived:
		return o.archived
	}
	return false
}
