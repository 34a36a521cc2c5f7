package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Kinds of messages of the output plugin pgoutput.
const (
	msgBegin         = 'B'
	msgCommit        = 'C'
	msgOrigin        = 'O'
	msgRelation      = 'R'
	msgType          = 'Y'
	msgInsert        = 'I'
	msgUpdate        = 'U'
	msgDelete        = 'D'
	msgTruncate      = 'T'
	msgMessage       = 'M'
	msgStreamStart   = 'S'
	msgStreamStop    = 'E'
	msgStreamCommit  = 'c'
	msgStreamAbort   = 'A'
	msgBeginPrepare  = 'b'
	msgPrepare       = 'P'
	msgCommitPrepare = 'K'
)

// errMessage is a message of the plugin that cannot be read.
var errMessage = errors.New("a message of pgoutput is malformed")

// cursor reads the fields of a message. The first fault sticks, and everything after it is zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if c.bad || n < 0 || n > len(c.b) {
		c.bad = true
		return nil
	}
	x := c.b[:n:n]
	c.b = c.b[n:]
	return x
}

func (c *cursor) u8() byte {
	if c.bad || len(c.b) == 0 {
		c.bad = true
		return 0
	}
	x := c.b[0]
	c.b = c.b[1:]
	return x
}

func (c *cursor) u16() int {
	if x := c.take(2); x != nil {
		return int(binary.BigEndian.Uint16(x))
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if x := c.take(4); x != nil {
		return binary.BigEndian.Uint32(x)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if x := c.take(8); x != nil {
		return binary.BigEndian.Uint64(x)
	}
	return 0
}

// uvarint reads a number of at most most.
func (c *cursor) uvarint(most uint64) uint64 {
	x, n := binary.Uvarint(c.b)
	if c.bad || n <= 0 || x > most {
		c.bad = true
		return 0
	}
	c.b = c.b[n:]
	return x
}

func (c *cursor) lsn() LSN { return LSN(c.u64()) }

// stamp reads a time of the server in microseconds since 1970.
func (c *cursor) stamp() int64 { return int64(c.u64()) + epochMicros }

// text reads up to a zero byte.
func (c *cursor) text() string {
	for i, x := range c.b {
		if x == 0 && !c.bad {
			s := string(c.b[:i])
			c.b = c.b[i+1:]
			return s
		}
	}
	c.bad = true
	return ""
}

func (c *cursor) fault(kind byte) error {
	if !c.bad {
		return nil
	}
	return fmt.Errorf("%w: %q ends too early", errMessage, kind)
}

// relation is what a Relation message says of a table, from then on.
type relation struct {
	oid      uint32
	schema   string
	name     string
	identity byte
	columns  []wireColumn
}

type wireColumn struct {
	name     string
	key      bool // part of the replica identity
	declared uint32
	modifier int32
}

func readRelation(c *cursor) (*relation, error) {
	r := &relation{oid: c.u32(), schema: c.text(), name: c.text(), identity: c.u8()}
	if r.schema == "" {
		r.schema = "pg_catalog"
	}
	n := c.u16()
	for range n {
		if c.bad {
			break
		}
		flags := c.u8()
		r.columns = append(r.columns, wireColumn{key: flags&1 != 0, name: c.text(), declared: c.u32(), modifier: int32(c.u32())})
	}
	return r, c.fault(msgRelation)
}

// Forms of a value in a tuple.
const (
	formNull      = 'n'
	formUnchanged = 'u'
	formText      = 't'
	formBinary    = 'b'
)

// tuple is a row as it travels: the form and the bytes of each column, which point into the message.
type tuple struct {
	forms  []byte
	values [][]byte
}

func (t *tuple) read(c *cursor) {
	n := c.u16()
	t.forms, t.values = t.forms[:0], t.values[:0]
	for range n {
		form := c.u8()
		var value []byte
		switch form {
		case formNull, formUnchanged:
		case formText, formBinary:
			value = c.take(int(c.u32()))
		default:
			c.bad = true
		}
		if c.bad {
			return
		}
		t.forms, t.values = append(t.forms, form), append(t.values, value)
	}
}
