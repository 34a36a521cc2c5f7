package kafka

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet/freshet/cdc"
)

// A position begins with a number that grows with every transaction, so that positions order as the engine
// needs it although partitions have no order among each other. Behind it stands either a cursor, of a
// transaction, or a place, of one record of it; a place orders before the cursor of its transaction.
//
//	number (8 bytes, big endian) · 0 · topic · partition · offset
//	number (8 bytes, big endian) · 1 · topics: name · id (16 bytes) · partitions: number · next offset · epoch + 1
//
// Names are preceded by their length; all other numbers are varints.
const (
	markPlace  = 0
	markCursor = 1
)

// cursor says how far every partition has been read. Its parts are in the order of names and numbers.
type cursor struct {
	number uint64
	topics []topicCursor
}

type topicCursor struct {
	name       string
	id         [16]byte // zero: the brokers tell none
	partitions []partitionCursor
}

type partitionCursor struct {
	partition int32
	next      int64 // the offset of the first record that is not taken
	epoch     int32 // of the leader that gave the record before it; -1: not known
}

// place is where a record lies.
type place struct {
	topic     string
	partition int32
	offset    int64
}

func (p place) String() string {
	b := make([]byte, 0, 64)
	b = strconv.AppendInt(append(append(b, p.topic...), '/'), int64(p.partition), 10)
	return string(strconv.AppendInt(append(b, '/'), p.offset, 10))
}

// errPosition is a position that this package has not written.
var errPosition = errors.New("malformed position")

func (c *cursor) append(b []byte) []byte {
	b = append(binary.BigEndian.AppendUint64(b, c.number), markCursor)
	b = binary.AppendUvarint(b, uint64(len(c.topics)))
	for i := range c.topics {
		t := &c.topics[i]
		b = append(appendName(b, t.name), t.id[:]...)
		b = binary.AppendUvarint(b, uint64(len(t.partitions)))
		for _, p := range t.partitions {
			b = binary.AppendUvarint(b, uint64(p.partition))
			b = binary.AppendUvarint(b, uint64(p.next))
			b = binary.AppendUvarint(b, uint64(p.epoch+1))
		}
	}
	return b
}

func (p place) append(b []byte, number uint64) []byte {
	b = append(binary.BigEndian.AppendUint64(b, number), markPlace)
	b = appendName(b, p.topic)
	b = binary.AppendUvarint(b, uint64(p.partition))
	return binary.AppendUvarint(b, uint64(p.offset))
}

func appendName(b []byte, name string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(name))), name...)
}

// decodePosition reads a position: a cursor, or the place of a record.
func decodePosition(p cdc.Position) (*cursor, *place, error) {
	if len(p) < 9 || p[8] > markCursor {
		return nil, nil, fmt.Errorf("read position %x: %w", string(p), errPosition)
	}
	if p[8] == markPlace {
		at, ok := decodePlace(p)
		if !ok {
			return nil, nil, fmt.Errorf("read position %x: %w", string(p), errPosition)
		}
		return nil, &at, nil
	}
	r := reader{b: []byte(p[9:])}
	c := r.cursor(binary.BigEndian.Uint64([]byte(p[:8])))
	if r.bad || len(r.b) > 0 {
		return nil, nil, fmt.Errorf("read position %x: %w", string(p), errPosition)
	}
	return c, nil, nil
}

// decodePlace reads the position of one record; ok is false where it is none. It is asked for every row that a sink
// writes.
func decodePlace(p cdc.Position) (at place, ok bool) {
	if len(p) < 9 || p[8] != markPlace {
		return at, false
	}
	var short [64]byte
	r := reader{b: append(short[:0], p[9:]...)}
	name := r.take(int(r.uint(1 << 16)))
	end := len(p) - len(r.b)
	at.topic = string(p[end-len(name) : end]) // no copy
	at.partition, at.offset = int32(r.uint(1<<31-1)), int64(r.uint(1<<63-1))
	return at, !r.bad && len(r.b) == 0
}

// decodeCursor reads the position of a transaction; the empty one is the cursor of nothing.
func decodeCursor(p cdc.Position) (*cursor, error) {
	if p == "" {
		return &cursor{}, nil
	}
	c, _, err := decodePosition(p)
	if err == nil && c == nil {
		err = fmt.Errorf("read position %x: it is that of a record: %w", string(p), errPosition)
	}
	return c, err
}

// reader takes numbers and names from the front of bytes. What does not fit makes it bad, and zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint(most uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > most || n > 1 && r.b[n-1] == 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) name() string { return string(r.take(int(r.uint(1 << 16)))) }

func (r *reader) cursor(number uint64) *cursor {
	c := &cursor{number: number}
	for n := r.uint(1 << 20); n > 0 && !r.bad; n-- {
		t := topicCursor{name: r.name()}
		copy(t.id[:], r.take(len(t.id)))
		for n := r.uint(1 << 20); n > 0 && !r.bad; n-- {
			t.partitions = append(t.partitions, partitionCursor{partition: int32(r.uint(1<<31 - 1)),
				next: int64(r.uint(1<<63 - 1)), epoch: int32(r.uint(1<<31-1)) - 1})
		}
		c.topics = append(c.topics, t)
	}
	return c
}

// clone copies a cursor.
func (c *cursor) clone() *cursor {
	d := &cursor{number: c.number, topics: slices.Clone(c.topics)}
	for i := range d.topics {
		d.topics[i].partitions = slices.Clone(d.topics[i].partitions)
	}
	return d
}

// topic finds the cursor of a topic, or nil.
func (c *cursor) topic(name string) *topicCursor {
	i, ok := slices.BinarySearchFunc(c.topics, name, func(t topicCursor, name string) int { return strings.Compare(t.name, name) })
	if !ok {
		return nil
	}
	return &c.topics[i]
}

// partition finds the cursor of a partition, or nil.
func (t *topicCursor) partition(number int32) *partitionCursor {
	i, ok := slices.BinarySearchFunc(t.partitions, number, func(p partitionCursor, n int32) int { return cmp.Compare(p.partition, n) })
	if !ok {
		return nil
	}
	return &t.partitions[i]
}

// partition finds the cursor of a topic's partition, or nil.
func (c *cursor) partition(topic string, number int32) *partitionCursor {
	t := c.topic(topic)
	if t == nil {
		return nil
	}
	return t.partition(number)
}

// add makes a place for a topic.
func (c *cursor) add(t topicCursor) *topicCursor {
	i, _ := slices.BinarySearchFunc(c.topics, t.name, func(t topicCursor, name string) int { return strings.Compare(t.name, name) })
	c.topics = slices.Insert(c.topics, i, t)
	return &c.topics[i]
}

// add makes a place for a partition.
func (t *topicCursor) add(p partitionCursor) {
	i, _ := slices.BinarySearchFunc(t.partitions, p.partition, func(p partitionCursor, n int32) int { return cmp.Compare(p.partition, n) })
	t.partitions = slices.Insert(t.partitions, i, p)
}

// text writes a cursor as status shows it: `0:120,1:98`, the next offset of each partition. Where there
// are several topics each partition is preceded by its topic: `orders/0:120,returns/0:7`.
func (c *cursor) text(several bool) string {
	var b strings.Builder
	for i := range c.topics {
		t := &c.topics[i]
		for _, p := range t.partitions {
			if b.Len() > 0 {
				b.WriteByte(',')
			}
			if several {
				b.WriteString(t.name + "/")
			}
			b.WriteString(strconv.Itoa(int(p.partition)) + ":" + strconv.FormatInt(p.next, 10))
		}
	}
	return b.String()
}

// parseCursor reads what text writes. Partitions may be left out and stand in any order.
func parseCursor(topic, text string) (*cursor, error) {
	c := &cursor{}
	for _, part := range strings.Split(text, ",") {
		name := topic
		part = strings.TrimSpace(part)
		if i := strings.LastIndexByte(part, '/'); i >= 0 {
			name, part = part[:i], part[i+1:]
		}
		number, offset, ok := strings.Cut(part, ":")
		p, err := strconv.ParseUint(number, 10, 31)
		next, err2 := strconv.ParseUint(offset, 10, 63)
		if !ok || err != nil || err2 != nil || name == "" {
			return nil, fmt.Errorf("read position %q: %w: it is written as 0:120,1:98, the next offset of each partition", text, errPosition)
		}
		t := c.topic(name)
		if t == nil {
			t = c.add(topicCursor{name: name})
		}
		if t.partition(int32(p)) != nil {
			return nil, fmt.Errorf("read position %q: %w: partition %d stands there twice", text, errPosition, p)
		}
		t.add(partitionCursor{partition: int32(p), next: int64(next), epoch: -1})
	}
	return c, nil
}

// reached reports whether every partition that want names has been read as far as it says.
func (c *cursor) reached(want *cursor) bool {
	for i := range want.topics {
		for _, w := range want.topics[i].partitions {
			if p := c.partition(want.topics[i].name, w.partition); w.next > 0 && (p == nil || p.next < w.next) {
				return false
			}
		}
	}
	return true
}
