package statestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Space says what a key is about. The numbers are on disk and never change their meaning; callers
// may use numbers from 64 on for spaces of their own. Zero is not a space.
type Space uint8

// The spaces of the engine.
const (
	SpaceOwners       Space = 1 // one record per owner and step instance: row, children, fingerprints
	SpacePending      Space = 2 // durable intents to make an expensive call
	SpaceDirty        Space = 3 // dirty owners: one list per epoch
	SpaceOutbox       Space = 4 // effects decided, not yet applied
	SpaceDeadLetters  Space = 5 // changes that cannot be processed, with their cause
	SpaceContributors Space = 6 // sink key to the owners that contribute to it
	SpaceMeta         Space = 7 // cursors, plans, instances; instance 0 belongs to this package
	SpaceMemoDead     Space = 8 // memo entries without a reference, and since when
)

// Key is the place of a record. Keys order by VNode, Space, Instance, Owner, Child, each compared
// as it stands here, byte strings as bytes.Compare does; the encoding keeps that order.
type Key struct {
	VNode    uint16 // virtual node: the unit in which a key space moves between processes
	Space    Space
	Instance uint32 // number of the step instance
	Owner    []byte // key at the last keying boundary; any bytes
	Child    []byte // what is below the owner; any bytes
}

// The encoding of a key never holds a zero byte before the one that ends the owner:
//
//	vnode     3 bytes, seven bits each, high bit set
//	space     1 byte, 1..255
//	instance  5 bytes, seven bits each, high bit set
//	owner     0x00 as 0x01 0x01, 0x01 as 0x01 0x02, every other byte as it is
//	end       0x00
//	child     as it is
//
// So the part that bloom filters cover ends at the first zero byte, wherever a key is cut, and
// comparing encodings as bytes compares tuples.
const (
	vnodeLen    = 3
	headerLen   = vnodeLen + 1 + 5
	ownerEnd    = 0x00
	ownerEscape = 0x01
	digit       = 0x80
	digitMask   = 0x7f
)

var errMalformedKey = errors.New("malformed key")

// AppendKey appends the encoding of k to dst. It panics if k.Space is zero, which no caller's data
// can cause.
func AppendKey(dst []byte, k Key) []byte {
	return append(AppendOwner(dst, k), k.Child...)
}

// AppendOwner appends the encoding of k without its child: the common prefix of all that the owner
// has under this space and instance, and the key of the owner's own record.
func AppendOwner(dst []byte, k Key) []byte {
	dst = appendInstance(dst, k.VNode, k.Space, k.Instance)
	rest := k.Owner
	for {
		i := indexEscaped(rest)
		if i < 0 {
			break
		}
		dst = append(append(dst, rest[:i]...), ownerEscape, rest[i]+1)
		rest = rest[i+1:]
	}
	return append(append(dst, rest...), ownerEnd)
}

// indexEscaped is the place of the first byte of b that is not written as it is, or -1. It looks at eight bytes at once: one of
// them borrows from its high bit, which it does not have itself, where it is less than two.
func indexEscaped(b []byte) int {
	const ones = 0x0101010101010101
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if low := (x - ones*(ownerEscape+1)) & ^x & (ones * 0x80); low != 0 {
			return i + bits.TrailingZeros64(low)/8 // a borrow reaches the bytes above the first one alone
		}
	}
	for ; i < len(b); i++ {
		if b[i] <= ownerEscape {
			return i
		}
	}
	return -1
}

func appendSpace(dst []byte, vnode uint16, space Space) []byte {
	if space == 0 {
		panic("statestore: key without a space")
	}
	return append(dst,
		digit|byte(vnode>>14), digit|byte(vnode>>7)&digitMask, digit|byte(vnode)&digitMask, byte(space))
}

func appendInstance(dst []byte, vnode uint16, space Space, n uint32) []byte {
	dst = appendSpace(dst, vnode, space)
	return append(dst,
		digit|byte(n>>28), digit|byte(n>>21)&digitMask, digit|byte(n>>14)&digitMask,
		digit|byte(n>>7)&digitMask, digit|byte(n)&digitMask)
}

// ParseKey decodes what [AppendKey] wrote. Child aliases key; Owner aliases key unless it holds a
// byte 0 or 1. Anything that AppendKey cannot have written is an error.
func ParseKey(key []byte) (Key, error) {
	if len(key) < headerLen+1 || key[0] > digit|3 || key[vnodeLen] == 0 || key[vnodeLen+1] > digit|15 {
		return Key{}, fmt.Errorf("parse key %x: %w", key, errMalformedKey)
	}
	k := Key{Space: Space(key[vnodeLen])}
	for i, c := range key[:headerLen] {
		switch {
		case i == vnodeLen:
		case c < digit:
			return Key{}, fmt.Errorf("parse key %x: %w", key, errMalformedKey)
		case i < vnodeLen:
			k.VNode = k.VNode<<7 | uint16(c&digitMask)
		default:
			k.Instance = k.Instance<<7 | uint32(c&digitMask)
		}
	}
	end := bytes.IndexByte(key[headerLen:], ownerEnd)
	if end < 0 {
		return Key{}, fmt.Errorf("parse key %x: %w", key, errMalformedKey)
	}
	owner, err := unescape(key[headerLen : headerLen+end])
	if err != nil {
		return Key{}, fmt.Errorf("parse key %x: %w", key, err)
	}
	k.Owner, k.Child = owner, key[headerLen+end+1:]
	return k, nil
}

// unescape returns the owner that b, which holds no zero byte, is the encoding of.
func unescape(b []byte) ([]byte, error) {
	if bytes.IndexByte(b, ownerEscape) < 0 {
		return b, nil
	}
	owner := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == ownerEscape {
			i++
			if i == len(b) || b[i] < 1 || b[i] > 2 {
				return nil, errMalformedKey
			}
			c = b[i] - 1
		}
		owner = append(owner, c)
	}
	return owner, nil
}

// SpanOfSpace returns the half-open range of every key of a space in a virtual node.
func SpanOfSpace(vnode uint16, space Space) (from, to []byte) {
	return spanOf(appendSpace(nil, vnode, space))
}

// SpanOfInstance returns the half-open range of every key of a step instance in a space.
func SpanOfInstance(vnode uint16, space Space, instance uint32) (from, to []byte) {
	return spanOf(appendInstance(nil, vnode, space, instance))
}

// SpanOfOwner returns the half-open range of the owner's record and of all its children; k.Child
// is ignored.
func SpanOfOwner(k Key) (from, to []byte) {
	return spanOf(AppendOwner(nil, k))
}

// spanOf is the half-open range of every key that begins with prefix, which is kept. A nil bound is open.
func spanOf(prefix []byte) (from, to []byte) {
	to = bytes.Clone(prefix)
	for i := len(to) - 1; i >= 0; i-- {
		if to[i] != 0xff {
			to[i]++
			return prefix, to[:i+1]
		}
	}
	return prefix, nil
}
