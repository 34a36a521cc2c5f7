package stream

import (
	"crypto/sha256"
	"strconv"
)

// childNames tells the rows of one owner apart.
type childNames struct {
	seen  map[[8]byte]int
	taken map[string]struct{}
	many  bool
	id    []byte
}

// reset begins an owner with so many rows. A single row is alone without looking.
func (n *childNames) reset(rows int) {
	n.many = rows > 1
	clear(n.seen)
	clear(n.taken)
}

// name is the identity of a row within its owner: 16 hexadecimal digits of its hash and, from the second
// of its kind on, its number among its equals. It is valid until the next call.
func (n *childNames) name(row []byte) []byte {
	sum := sha256.Sum256(row)
	hash := [8]byte(sum[:8])
	n.id = n.id[:0]
	const digits = "0123456789abcdef"
	for _, c := range hash {
		n.id = append(n.id, digits[c>>4], digits[c&15])
	}
	if !n.many {
		return n.id
	}
	if n.seen == nil {
		n.seen = map[[8]byte]int{}
	}
	n.seen[hash]++
	if count := n.seen[hash]; count > 1 {
		n.id = strconv.AppendInt(append(n.id, '-'), int64(count), 10)
	}
	return n.id
}

// take reports whether a key is the first of its kind.
func (n *childNames) take(key []byte) bool {
	if !n.many {
		return true
	}
	if n.taken == nil {
		n.taken = map[string]struct{}{}
	}
	if _, there := n.taken[string(key)]; there {
		return false
	}
	n.taken[string(key)] = struct{}{}
	return true
}
