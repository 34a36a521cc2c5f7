package statestore_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/statestore"
)

func ExampleAppendKey() {
	record := statestore.Key{VNode: 3, Space: statestore.SpaceOwners, Instance: 12, Owner: []byte("doc-7")}
	chunk := record
	chunk.Child = []byte("chunk-1")

	from, to := statestore.SpanOfOwner(record)
	for _, k := range []statestore.Key{record, chunk} {
		key := statestore.AppendKey(nil, k)
		inside := bytes.Compare(key, from) >= 0 && bytes.Compare(key, to) < 0
		parsed, err := statestore.ParseKey(key)
		fmt.Printf("%d bytes, in the owner's span: %v, child %q, %v\n", len(key), inside, parsed.Child, err)
	}
	// Output:
	// 15 bytes, in the owner's span: true, child "", <nil>
	// 22 bytes, in the owner's span: true, child "chunk-1", <nil>
}

// keys covers the corners of each part: the ends of the numbers, empty parts, and the bytes that
// the encoding escapes.
func keys() []statestore.Key {
	var keys []statestore.Key
	owners := []string{"", "\x00", "\x00\x00", "\x00\x01", "\x01", "\x01\x00", "\x01\x01", "\x01\x02", "\x02", "a", "a\x00", "a\x01b", "ab", "\xff", "\xff\xff"}
	children := []string{"", "\x00", "\x01", "z", "\xff"}
	for _, vnode := range []uint16{0, 1, 127, 128, 16383, 16384, 65535} {
		for _, space := range []statestore.Space{1, 9, 255} {
			for _, instance := range []uint32{0, 127, 128, 1 << 28, 1<<32 - 1} {
				for _, owner := range owners {
					for _, child := range children {
						keys = append(keys, statestore.Key{
							VNode: vnode, Space: space, Instance: instance,
							Owner: []byte(owner), Child: []byte(child),
						})
					}
				}
			}
		}
	}
	return keys
}

func compareTuples(a, b statestore.Key) int {
	return cmp.Or(
		cmp.Compare(a.VNode, b.VNode),
		cmp.Compare(a.Space, b.Space),
		cmp.Compare(a.Instance, b.Instance),
		bytes.Compare(a.Owner, b.Owner),
		bytes.Compare(a.Child, b.Child),
	)
}

func TestEncodedKeysOrderAsTheirTuples(t *testing.T) {
	// keys lists tuples in ascending order, so neighbours decide the order of all.
	all := keys()
	for i := 1; i < len(all); i++ {
		a, b := statestore.AppendKey(nil, all[i-1]), statestore.AppendKey(nil, all[i])
		if compareTuples(all[i-1], all[i]) >= 0 {
			t.Fatalf("test data out of order at %d", i)
		}
		if bytes.Compare(a, b) >= 0 {
			t.Errorf("%+v encodes to %x, not below %+v at %x", all[i-1], a, all[i], b)
		}
	}
}

func TestParseKeyReturnsWhatWasEncoded(t *testing.T) {
	for _, want := range keys() {
		got, err := statestore.ParseKey(statestore.AppendKey(nil, want))
		if err != nil {
			t.Fatalf("%+v: %v", want, err)
		}
		if diff := gocmp.Diff(want, got, gocmp.Transformer("text", func(b []byte) string { return string(b) })); diff != "" {
			t.Fatalf("parsed key differs (-want +got):\n%s", diff)
		}
	}
}

func TestSpansHoldTheirKeysAndNoOthers(t *testing.T) {
	all := keys()
	encoded := make([][]byte, len(all))
	for i, k := range all {
		encoded[i] = statestore.AppendKey(nil, k)
	}
	for n, k := range all {
		if n%97 != 0 { // a sample of the spans against all keys
			continue
		}
		spans := map[string]struct {
			span func() ([]byte, []byte)
			in   func(o statestore.Key) bool
		}{
			"space": {func() ([]byte, []byte) { return statestore.SpanOfSpace(k.VNode, k.Space) },
				func(o statestore.Key) bool { return o.VNode == k.VNode && o.Space == k.Space }},
			"instance": {func() ([]byte, []byte) { return statestore.SpanOfInstance(k.VNode, k.Space, k.Instance) },
				func(o statestore.Key) bool {
					return o.VNode == k.VNode && o.Space == k.Space && o.Instance == k.Instance
				}},
			"owner": {func() ([]byte, []byte) { return statestore.SpanOfOwner(k) },
				func(o statestore.Key) bool {
					return compareTuples(statestore.Key{VNode: o.VNode, Space: o.Space, Instance: o.Instance, Owner: o.Owner},
						statestore.Key{VNode: k.VNode, Space: k.Space, Instance: k.Instance, Owner: k.Owner}) == 0
				}},
		}
		for name, s := range spans {
			from, to := s.span()
			for i, o := range all {
				key := encoded[i]
				got := bytes.Compare(key, from) >= 0 && (to == nil || bytes.Compare(key, to) < 0)
				if want := s.in(o); got != want {
					t.Fatalf("span of the %s of %+v: holds %+v is %v, want %v", name, k, o, got, want)
				}
			}
		}
	}
}

func TestParseKeyRefusesWhatIsNoKey(t *testing.T) {
	good := statestore.AppendKey(nil, statestore.Key{VNode: 5, Space: 1, Instance: 5, Owner: []byte("a\x01")})
	for name, key := range map[string][]byte{
		"nothing":                  nil,
		"a key without its end":    good[:len(good)-1],
		"a cut header":             good[:4],
		"a vnode over 16 bits":     append([]byte{0x84}, good[1:]...),
		"a digit without its mark": append(append(bytes.Clone(good[:2]), 5), good[3:]...),
		"no space":                 append(append(bytes.Clone(good[:3]), 0), good[4:]...),
		"an instance over 32 bits": append(append(bytes.Clone(good[:4]), 0x90), good[5:]...),
		"an unknown escape":        append(bytes.Clone(good[:len(good)-2]), 3, 0),
		"an escape of nothing":     append(bytes.Clone(good[:len(good)-2]), 0),
	} {
		if k, err := statestore.ParseKey(key); err == nil {
			t.Errorf("%s: %x parses as %+v", name, key, k)
		}
	}
}

// What is escaped is looked for in eight bytes at once: among bytes that borrow and carry, at every place of an owner.
func TestBytesOfAnOwnerAreEscapedWhereverTheyStand(t *testing.T) {
	alphabet := []byte{0, 1, 2, 3, 0x7f, 0x80, 0x81, 0x82, 0xfe, 0xff}
	random := rand.New(rand.NewPCG(1, 2))
	before := statestore.Key{Space: statestore.SpaceOwners}
	for range 20_000 {
		k := statestore.Key{Space: statestore.SpaceOwners, Owner: make([]byte, random.IntN(35))}
		for i := range k.Owner {
			k.Owner[i] = alphabet[2+random.IntN(len(alphabet)-2)]
			if random.IntN(8) == 0 {
				k.Owner[i] = alphabet[random.IntN(2)]
			}
		}
		key, other := statestore.AppendKey(nil, k), statestore.AppendKey(nil, before)
		if got, err := statestore.ParseKey(key); err != nil || compareTuples(got, k) != 0 {
			t.Fatalf("owner %x is written as %x and read as %x, %v", k.Owner, key, got.Owner, err)
		}
		if got, want := bytes.Compare(key, other), compareTuples(k, before); got != want {
			t.Fatalf("encodings compare as %d, owners %x and %x as %d", got, k.Owner, before.Owner, want)
		}
		before = k
	}
}

func FuzzKeys(f *testing.F) {
	f.Add(uint16(1), uint8(1), uint32(2), []byte("owner\x00\x01"), []byte("child"), uint16(1), uint8(1), uint32(2), []byte("owner"), []byte("\x00"))
	f.Fuzz(func(t *testing.T, v1 uint16, s1 uint8, i1 uint32, o1, c1 []byte, v2 uint16, s2 uint8, i2 uint32, o2, c2 []byte) {
		if s1 == 0 || s2 == 0 {
			t.Skip()
		}
		a := statestore.Key{VNode: v1, Space: statestore.Space(s1), Instance: i1, Owner: o1, Child: c1}
		b := statestore.Key{VNode: v2, Space: statestore.Space(s2), Instance: i2, Owner: o2, Child: c2}
		ka, kb := statestore.AppendKey(nil, a), statestore.AppendKey(nil, b)
		if got, want := bytes.Compare(ka, kb), compareTuples(a, b); got != want {
			t.Errorf("encodings compare as %d, tuples %+v and %+v as %d", got, a, b, want)
		}
		for key, want := range map[*[]byte]statestore.Key{&ka: a, &kb: b} {
			got, err := statestore.ParseKey(*key)
			if err != nil || compareTuples(got, want) != 0 {
				t.Errorf("%+v parses as %+v, %v", want, got, err)
			}
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add(statestore.AppendKey(nil, statestore.Key{VNode: 9, Space: 2, Instance: 3, Owner: []byte("\x00o"), Child: []byte("c")}))
	f.Fuzz(func(t *testing.T, key []byte) {
		k, err := statestore.ParseKey(key)
		if err != nil {
			return
		}
		if again := statestore.AppendKey(nil, k); !bytes.Equal(again, key) {
			t.Errorf("%x parses as %+v, which encodes to %x", key, k, again)
		}
	})
}
