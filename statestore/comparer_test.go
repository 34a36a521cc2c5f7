package statestore

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// TestPebblesFormatBelongsToOurs: an older program cannot read a state once a newer Pebble has raised
// its format, so the two change together.
func TestPebblesFormatBelongsToOurs(t *testing.T) {
	if Format != 1 || pebble.FormatNewest != 24 {
		t.Errorf("state format %d is for Pebble's format 24, and Pebble is at %d: raise Format", Format, pebble.FormatNewest)
	}
}

func TestTheComparerKeepsPebblesRules(t *testing.T) {
	var prefixes [][]byte
	for _, vnode := range []uint16{0, 300, 65535} {
		for _, instance := range []uint32{0, 1 << 30} {
			for _, owner := range []string{"", "\x00", "\x01", "a", "a\x00b", "ab", "\xff\xff"} {
				prefixes = append(prefixes, AppendOwner(nil, Key{VNode: vnode, Space: SpaceOwners, Instance: instance, Owner: []byte(owner)}))
			}
		}
	}
	suffixes := [][]byte{{}, {0}, {1}, []byte("a"), []byte("a\x00"), {0xff}, {0xff, 0}}
	if err := pebble.CheckComparer(tupleComparer(), prefixes, suffixes); err != nil {
		t.Error(err)
	}
}

// TestSeparatorsStayBetweenTheirKeys checks what CheckComparer does not: the keys that Pebble makes
// up order where they must, also by prefix, which is how its tables compare them.
func TestSeparatorsStayBetweenTheirKeys(t *testing.T) {
	c := tupleComparer()
	byParts := func(a, b []byte) int {
		an, bn := c.Split(a), c.Split(b)
		if d := bytes.Compare(a[:an], b[:bn]); d != 0 {
			return d
		}
		return bytes.Compare(a[an:], b[bn:])
	}
	r := rand.New(rand.NewPCG(1, 2))
	random := func() []byte {
		k := Key{VNode: uint16(r.IntN(3)), Space: SpaceOwners, Instance: uint32(r.IntN(3))}
		for range r.IntN(4) {
			k.Owner = append(k.Owner, []byte{0, 1, 2, 'a', 255}[r.IntN(5)])
		}
		for range r.IntN(4) {
			k.Child = append(k.Child, []byte{0, 1, 2, 'a', 255}[r.IntN(5)])
		}
		return AppendKey(nil, k)
	}
	for range 20000 {
		a, b := random(), random()
		if bytes.Compare(a, b) != byParts(a, b) {
			t.Fatalf("%x and %x compare as %d, by parts as %d", a, b, bytes.Compare(a, b), byParts(a, b))
		}
		if bytes.Compare(a, b) > 0 {
			a, b = b, a
		}
		if bytes.Equal(a, b) {
			continue
		}
		s := c.Separator(nil, a, b)
		if byParts(a, s) > 0 || byParts(s, b) >= 0 {
			t.Fatalf("separator %x of %x and %x", s, a, b)
		}
		if s := c.Successor(nil, a); byParts(a, s) > 0 {
			t.Fatalf("successor %x of %x", s, a)
		}
		p := a[:c.Split(a)]
		if n := c.ImmediateSuccessor(nil, p); c.Split(n) != len(n) || byParts(p, n) >= 0 || byParts(a, n) >= 0 {
			t.Fatalf("immediate successor %x of %x", n, p)
		}
	}
}
