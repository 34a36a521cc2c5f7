package statestore

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"
)

// A seal ends with a line that holds the checksum of all lines before it, so that no flipped bit of
// the seal is ever read as damage of another file.
const checksumWord = "checksum "

var errChecksum = errors.New("checksum does not match")

// appendChecksum ends text, which ends with a newline, with its checksum line.
func appendChecksum(text []byte) []byte {
	return fmt.Appendf(text, "%s%016x\n", checksumWord, xxh3.Hash(text))
}

// cutChecksum returns the lines before the checksum line of data if that line is right.
func cutChecksum(data []byte) ([]byte, error) {
	i := bytes.LastIndex(data, []byte(checksumWord))
	if i < 0 || !bytes.Equal(data, appendChecksum(bytes.Clone(data[:i]))) {
		return nil, errChecksum
	}
	return data[:i], nil
}
