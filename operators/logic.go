package operators

import (
	"encoding/binary"
	"strconv"
)

// logic encodes what an operator depends on besides its input: the kind as the first word, its
// version, and parts of which no two lists share an encoding.
func logic(kind string, version int, parts ...[]byte) []byte {
	b := append([]byte(kind), ' ')
	b = strconv.AppendInt(b, int64(version), 10)
	b = append(b, '\n')
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	return b
}
