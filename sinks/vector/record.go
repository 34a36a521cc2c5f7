package vector

import (
	"encoding/binary"
	"errors"
	"math"
)

// A record is the truth about one key:
//
//	kind     1 byte: 1 live, 2 tombstone
//	version  8 bytes, big endian
//	factor   4 bytes, little endian float     live rows only, from here on
//	norm2    4 bytes, little endian float
//	codes    dims bytes, then ⌈dims/2⌉ bytes of nibbles
//	terms    length as uvarint, then each term after its length
//	payload  the rest
const (
	kindLive      = 1
	kindTombstone = 2
	recordHead    = 1 + 8
	liveHead      = recordHead + 4 + 4
)

var errMalformedRecord = errors.New("malformed row record")

// record is a decoded record; its slices alias what it was decoded from.
type record struct {
	live    bool
	version uint64
	row     encoded
	terms   []byte // encoding
	payload []byte
}

// size returns the length of the record's encoding.
func (r *record) size() int {
	if !r.live {
		return recordHead
	}
	return liveHead + len(r.row.codes) + uvarintLen(len(r.terms)) + len(r.terms) + len(r.payload)
}

func uvarintLen(n int) int { return len(binary.AppendUvarint(make([]byte, 0, 10), uint64(n))) }

// encode writes the record into b, which is empty and has room for size bytes.
func (r *record) encode(b []byte) []byte {
	if !r.live {
		return binary.BigEndian.AppendUint64(append(b, kindTombstone), r.version)
	}
	b = binary.BigEndian.AppendUint64(append(b, kindLive), r.version)
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(r.row.factor))
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(r.row.norm2))
	b = append(b, r.row.codes...)
	b = binary.AppendUvarint(b, uint64(len(r.terms)))
	b = append(b, r.terms...)
	return append(b, r.payload...)
}

// decodeRecord decodes a record with codes of codeBytes bytes.
func decodeRecord(b []byte, codeBytes int) (record, error) {
	if len(b) < recordHead {
		return record{}, errMalformedRecord
	}
	r := record{version: binary.BigEndian.Uint64(b[1:])}
	switch b[0] {
	case kindTombstone:
		if len(b) != recordHead {
			return record{}, errMalformedRecord
		}
		return r, nil
	case kindLive:
	default:
		return record{}, errMalformedRecord
	}
	if len(b) < liveHead+codeBytes {
		return record{}, errMalformedRecord
	}
	r.live = true
	r.row.factor = math.Float32frombits(binary.LittleEndian.Uint32(b[recordHead:]))
	r.row.norm2 = math.Float32frombits(binary.LittleEndian.Uint32(b[recordHead+4:]))
	r.row.codes = b[liveHead:][:codeBytes:codeBytes]
	if !finite(r.row.factor) || !finite(r.row.norm2) {
		return record{}, errMalformedRecord
	}
	b = b[liveHead+codeBytes:]
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return record{}, errMalformedRecord
	}
	r.terms, r.payload = b[w:w+int(n)], b[w+int(n):]
	if _, ok := decodeTerms(r.terms); !ok {
		return record{}, errMalformedRecord
	}
	return r, nil
}

func finite(f float32) bool { return !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) }
