package cdc_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var keyable = []cdc.Kind{cdc.Bool, cdc.Int64, cdc.Float64, cdc.Decimal, cdc.String, cdc.Bytes, cdc.Timestamp, cdc.Date, cdc.UUID}

func encode(t interface{ Fatal(...any) }, kind cdc.Kind, v cdc.Value) cdc.Key {
	k, err := cdc.AppendKeyValue(nil, kind, v)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysOrderAsTheirValuesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(keyable).Draw(t, "kind")
		if kind == cdc.Decimal {
			return // below, where the order is written down
		}
		typ := cdc.Type{Kind: kind}
		a, b := cdc.Value{Raw: drawScalar(t, typ)}, cdc.Value{Raw: drawScalar(t, typ)}
		if got, want := bytes.Compare(encode(t, kind, a), encode(t, kind, b)), less(kind, a, b); got != want {
			t.Fatalf("%s %x and %x compare as %d, their keys as %d", kind, a.Raw, b.Raw, want, got)
		}
	})
}

func TestDecimalKeysOrderAsNumbers(t *testing.T) {
	ordered := []string{"NaN", "-Infinity", "-1e20", "-123.45", "-12.5", "-12.49", "-1", "-0.1", "-0.09", "-1e-30", "0", "1e-30",
		"0.09", "0.1", "0.11", "0.9", "1", "1.01", "9.99", "10", "10.5", "99", "100", "123456789012345678901234567890", "1e300", "Infinity"}
	var keys []string
	for _, d := range ordered {
		keys = append(keys, string(encode(t, cdc.Decimal, cdc.Value{Raw: []byte(d)})))
	}
	if !slices.IsSorted(keys) {
		t.Error("the keys are out of order")
	}
	for i := 1; i < len(keys); i++ {
		if keys[i-1] == keys[i] {
			t.Errorf("%s and %s are one key", ordered[i-1], ordered[i])
		}
	}
	for _, same := range [][]string{{"1", "1.0", "01", "+1", "10e-1", "0.1E1", "1."}, {"0", "-0", "0.000", ".0", "0e9"}, {"-1200", "-1.2e3"}} {
		for _, d := range same {
			if !bytes.Equal(encode(t, cdc.Decimal, cdc.Value{Raw: []byte(d)}), encode(t, cdc.Decimal, cdc.Value{Raw: []byte(same[0])})) {
				t.Errorf("%s and %s are two keys", d, same[0])
			}
		}
	}
	for _, bad := range []string{"", ".", "-", "1e", "1e1.5", "1_000", "0x1", "1e999999999", "+-1", " 1"} {
		if _, err := cdc.AppendKeyValue(nil, cdc.Decimal, cdc.Value{Raw: []byte(bad)}); !errors.Is(err, cdc.ErrKey) {
			t.Errorf("%q is taken: %v", bad, err)
		}
	}
}

func TestKeysOfOneColumnAreNoPrefixesOfEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) cdc.Key {
			kind := rapid.SampledFrom(keyable).Draw(t, name)
			return encode(t, kind, cdc.Value{Raw: drawScalar(t, cdc.Type{Kind: kind})})
		}
		a, b := draw("a"), draw("b")
		if !bytes.Equal(a, b) && bytes.HasPrefix(b, a) {
			t.Fatalf("%x is a prefix of %x", a, b)
		}
	})
}

func TestKeysComeApartAsTheyWereBuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var key cdc.Key
		var want []cdc.KeyPart
		for range rapid.IntRange(0, 5).Draw(t, "columns") {
			kind := rapid.SampledFrom(keyable).Draw(t, "kind")
			v := cdc.Value{Raw: drawScalar(t, cdc.Type{Kind: kind})}
			part := cdc.KeyPart{Kind: kind, Raw: v.Raw}
			if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
				v, part = cdc.Value{State: cdc.Null}, cdc.KeyPart{Null: true}
			}
			var err error
			if key, err = cdc.AppendKeyValue(key, kind, v); err != nil {
				t.Fatal(err)
			}
			want = append(want, part)
		}
		got, err := key.Parts()
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d parts of %d: %v", len(got), len(want), err)
		}
		for i := range got {
			switch {
			case got[i].Kind != want[i].Kind || got[i].Null != want[i].Null:
				t.Fatalf("part %d is a %s", i, got[i].Kind)
			case want[i].Kind == cdc.Decimal:
				a, b := encode(t, cdc.Decimal, cdc.Value{Raw: got[i].Raw}), encode(t, cdc.Decimal, cdc.Value{Raw: want[i].Raw})
				if !bytes.Equal(a, b) {
					t.Fatalf("%s is %s", want[i].Raw, got[i].Raw)
				}
			case want[i].Kind == cdc.Float64:
				if less(cdc.Float64, cdc.Value{Raw: got[i].Raw}, cdc.Value{Raw: want[i].Raw}) != 0 {
					t.Fatalf("float %x is %x", want[i].Raw, got[i].Raw)
				}
			case !bytes.Equal(got[i].Raw, want[i].Raw):
				t.Fatalf("part %d is %x, not %x", i, got[i].Raw, want[i].Raw)
			}
		}
	})
}

func TestKeyTextReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var key cdc.Key
		var types []cdc.Type
		for range rapid.IntRange(1, 4).Draw(t, "columns") {
			typ := cdc.Type{Kind: rapid.SampledFrom(keyable).Draw(t, "kind")}
			v := cdc.Value{Raw: drawScalar(t, typ)}
			if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
				v = cdc.Value{State: cdc.Null}
			}
			var err error
			if key, err = cdc.AppendKeyValue(key, typ.Kind, v); err != nil {
				t.Fatal(err)
			}
			types = append(types, typ)
		}
		text := key.Text()
		if more := key.AppendText([]byte("at ")); string(more) != "at "+text {
			t.Fatalf("key %x has the text %q, and appended %q", []byte(key), text, more)
		}
		back, err := cdc.ParseKeyText(types, text)
		if err != nil || !bytes.Equal(back, key) {
			t.Fatalf("key %x has the text %q, which is the key %x: %v", []byte(key), text, []byte(back), err)
		}
	})
}

func TestKeyTextIsForPeople(t *testing.T) {
	schema := &cdc.Schema{Columns: []cdc.Column{{Name: "a", Type: cdc.Type{Kind: cdc.String, Nullable: true}}, {Name: "b", Type: cdc.Type{Kind: cdc.Int64}}}, Key: []int{0, 1}}
	key := func(a *string, b int64) cdc.Key {
		var row cdc.RowBuilder
		if a == nil {
			row.Null()
		} else {
			row.Text(*a)
		}
		row.Int64(b)
		k, err := schema.AppendKey(nil, row.Build())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	nul := "\x00"
	path := "docs/50%\n.md"
	for _, c := range []struct {
		key  cdc.Key
		want string
	}{
		{cdc.StringKey("docs/50%.md"), "docs/50%.md"},
		{key(&path, -7), "docs%2F50%25%0A.md/-7"},
		{key(nil, 0), "%null/0"},
		{key(&nul, 0), "%00/0"},
		{cdc.Key{0xee, 1}, "ee01"},
	} {
		if got := c.key.Text(); got != c.want {
			t.Errorf("key %x has the text %q, not %q", []byte(c.key), got, c.want)
		}
	}
}

func TestWhatCannotBeAKeyIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		kind cdc.Kind
		v    cdc.Value
	}{
		"an unchanged value": {cdc.String, cdc.Value{State: cdc.Unchanged}},
		"a reference":        {cdc.String, cdc.Value{State: cdc.Reference, Raw: []byte("x")}},
		"a vector":           {cdc.Vector, cdc.Value{Raw: make([]byte, 8)}},
		"a JSON text":        {cdc.JSON, cdc.Value{Raw: []byte("1")}},
		"a bool of no bytes": {cdc.Bool, cdc.Value{}},
		"an int of 4 bytes":  {cdc.Int64, cdc.Value{Raw: make([]byte, 4)}},
		"a UUID of 15 bytes": {cdc.UUID, cdc.Value{Raw: make([]byte, 15)}},
		"a date of 8 bytes":  {cdc.Date, cdc.Value{Raw: make([]byte, 8)}},
		"a float of 4 bytes": {cdc.Float64, cdc.Value{Raw: make([]byte, 4)}},
	} {
		if _, err := cdc.AppendKeyValue(nil, c.kind, c.v); !errors.Is(err, cdc.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Decoding never panics, and strings of keys are compared like their parts.
func FuzzKey(f *testing.F) {
	f.Add([]byte(cdc.StringKey("a\x00b")), []byte(cdc.StringKey("a")))
	f.Add([]byte{5, 4, 0x80, 0, 0, 1, 2, 0}, []byte{5, 2, 0x7f})
	f.Add([]byte{1, 2, 1}, []byte{4, 0xff})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if text := cdc.Key(a).Text(); string(cdc.Key(a).AppendText(nil)) != text {
			t.Errorf("key %x has the text %q, and appended another", a, text)
		}
		parts, err := cdc.Key(a).Parts()
		if err != nil {
			if !errors.Is(err, cdc.ErrKey) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		if len(a) > 0 && len(parts) == 0 {
			t.Error("no parts")
		}
		if got, err := cdc.Key(append(slices.Clone(a), cdc.StringKey("z")...)).Parts(); err != nil || len(got) != len(parts)+1 {
			t.Errorf("a column more: %d parts, %v", len(got), err)
		}
		x, y := cdc.StringKey(string(a)), cdc.StringKey(string(b))
		if bytes.Compare(x, y) != bytes.Compare(a, b) {
			t.Errorf("%x and %x change places", a, b)
		}
		if !bytes.Equal(a, b) && bytes.HasPrefix(x, y) {
			t.Errorf("%x is a prefix of %x", y, x)
		}
		if p, err := x.Parts(); err != nil || len(p) != 1 || !bytes.Equal(p[0].Raw, a) {
			t.Errorf("%x comes back as %v: %v", a, p, err)
		}
	})
}

func TestFloatKeysAtTheEdges(t *testing.T) {
	ordered := []float64{math.Inf(-1), -math.MaxFloat64, -1, -math.SmallestNonzeroFloat64, 0, math.SmallestNonzeroFloat64, 1, math.MaxFloat64, math.Inf(1), math.NaN()}
	var keys []string
	for _, x := range ordered {
		var b cdc.RowBuilder
		b.Float64(x)
		keys = append(keys, string(encode(t, cdc.Float64, b.Build().At(0))))
	}
	if !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != len(keys) {
		t.Error("the keys are out of order")
	}
	var b cdc.RowBuilder
	b.Float64(math.Copysign(0, -1))
	if string(encode(t, cdc.Float64, b.Build().At(0))) != keys[4] {
		t.Error("-0 and 0 are two keys")
	}
}

func TestParseKeyTextNamesWhatIsWrong(t *testing.T) {
	two := []cdc.Type{{Kind: cdc.String}, {Kind: cdc.Int64}}
	for text, said := range map[string]string{"a": "2 columns", "a/b/c": "2 columns", "a/x": "int", "a%/1": "lone %", "a%zz/1": "no escape"} {
		if _, err := cdc.ParseKeyText(two, text); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("%q: %v", text, err)
		}
	}
	k, err := cdc.ParseKeyText(two, "%6C/5")
	if diff := cmp.Diff("l/5", k.Text()); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
