package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/freshet/freshet/cdc"
)

// schemaID is how a record names the schema that it was written with: by the number that it has in one registry, or by
// its GUID.
type schemaID struct {
	global bool
	number int
	guid   [16]byte
}

func (id schemaID) String() string {
	if id.global {
		return cdc.FormatUUID(id.guid)
	}
	return fmt.Sprint(id.number)
}

// The forms of a schema's id, and the headers that hold it where it does not stand before the value or the key. They are
// those of io.confluent.kafka.serializers.schema.id.SchemaId, and DualSchemaIdDeserializer is whom we follow: the last
// header of the name counts, and only where there is none, or one that is null, the beginning of the record. A
// Protobuf record has the places of its message behind the id, wherever that stands.
const (
	formNumber = 0 // and the number of four bytes, big endian
	formGUID   = 1 // and the sixteen bytes of the GUID

	keySchemaHeader   = "__key_schema_id"
	valueSchemaHeader = "__value_schema_id"
)

var (
	errNoSchema  = errors.New("it does not begin with the number of a schema")
	errBadHeader = errors.New("its header holds no number and no GUID of a schema")
)

// cutSchemaID takes the id from the beginning of b.
func cutSchemaID(b []byte) (id schemaID, rest []byte, ok bool) {
	switch {
	case len(b) >= 5 && b[0] == formNumber:
		return schemaID{number: int(binary.BigEndian.Uint32(b[1:]))}, b[5:], true
	case len(b) >= 17 && b[0] == formGUID:
		return schemaID{global: true, guid: [16]byte(b[1:17])}, b[17:], true
	}
	return schemaID{}, nil, false
}

// named is a value or key with the id of its schema.
type named struct {
	id    schemaID
	index []byte // of Protobuf: begins with the places of the message
	body  []byte // nil: what follows them
}

// nameOf finds out which schema a value or key was written with; ok is false for a key without one, which is a plain text.
func nameOf(r *kgo.Record, data []byte, isKey bool) (n named, ok bool, err error) {
	what, header := "read value", valueSchemaHeader
	if isKey {
		what, header = "read key", keySchemaHeader
	}
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if h := &r.Headers[i]; h.Key == header {
			if h.Value == nil {
				break
			}
			if n.id, n.index, ok = cutSchemaID(h.Value); !ok {
				return n, false, undecodable(what, fmt.Errorf("%s: %w", header, errBadHeader))
			}
			if n.body = data; n.body == nil {
				n.body = []byte{}
			}
			return n, true, nil
		}
	}
	if n.id, n.index, ok = cutSchemaID(data); !ok && !isKey {
		return n, false, undecodable(what, errNoSchema)
	}
	return n, ok, nil
}

// whole is the text of a record that is not Protobuf.
func (n *named) whole() []byte {
	if n.body != nil {
		return n.body
	}
	return n.index
}
