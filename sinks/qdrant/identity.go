package qdrant

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"

	"github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/cdc"
)

// namespace is that of the ids of rows: the UUID version 5 of "freshet" in the namespace of host names.
var namespace = uuidV5([16]byte{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}, "freshet")

// uuidV5 is the name-based UUID of RFC 9562.
func uuidV5(space [16]byte, name string) (id [16]byte) {
	h := sha1.New()
	h.Write(space[:])
	h.Write([]byte(name))
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return id
}

// ID is the id of the point of a row: the UUID version 5 of `0/<_key>`, where 0 is the place of its collection in the
// sink's `from`: names of steps may change. Whoever knows the key finds the point without a search.
func ID(collection int, key cdc.Key) string { return cdc.FormatUUID(rowID(collection, key)) }

func rowID(collection int, key cdc.Key) [16]byte {
	return uuidV5(namespace, strconv.Itoa(collection)+"/"+key.Text())
}

// recordID is the id of the record of a collection. No row has it, for theirs begin with a number.
func recordID() *qdrant.PointId {
	return qdrant.NewID(cdc.FormatUUID(uuidV5(namespace, "the record")))
}

// shortID is an id as a map holds it.
func shortID(id *qdrant.PointId) (short [16]byte) {
	text := []byte(id.GetUuid())
	if len(text) != 36 {
		return short
	}
	at := 0
	for _, part := range [][]byte{text[:8], text[9:13], text[14:18], text[19:23], text[24:]} {
		n, err := hex.Decode(short[at:], part)
		if err != nil {
			return [16]byte{}
		}
		at += n
	}
	return short
}
