package cdc_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFieldsComeBackAsTheyWereGiven(t *testing.T) {
	when := time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	var inner, b cdc.RowBuilder
	inner.Int64(1)
	inner.Null()
	b.Bool(true)
	b.Int64(math.MinInt64)
	b.Float64(-0.5)
	b.Text("naïve\x00")
	b.Bytes([]byte{0, 0xff})
	b.Time(when)
	b.Days(-1)
	b.Vector([]float32{1.5, float32(math.Inf(-1))})
	b.Row(inner.Build())
	b.Null()
	b.Unchanged()
	b.Reference([]byte("fingerprint"))
	b.Text("")
	r := b.Build()
	if err := cdc.CheckRow(r); err != nil {
		t.Fatal(err)
	}
	list := r.At(8).Row()
	got := []any{r.Len(), r.At(0).Bool(), r.At(1).Int64(), r.At(2).Float64(), r.At(3).Text(), r.At(4).Raw, r.At(5).Time(),
		r.At(6).Date(), r.At(7).AppendVector(nil), list.Len(), list.At(0).Int64(), list.At(1).State,
		r.At(9).State, r.At(10).State, r.At(11).State, string(r.At(11).Raw), r.At(12).State, r.At(12).Text()}
	want := []any{13, true, int64(math.MinInt64), -0.5, "naïve\x00", []byte{0, 0xff}, when.Truncate(time.Microsecond),
		time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), []float32{1.5, float32(math.Inf(-1))}, 2, int64(1), cdc.Null,
		cdc.Null, cdc.Unchanged, cdc.Reference, "fingerprint", cdc.Set, ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOffsetsGrowWithTheRow(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 65535, 65536, 1 << 20} {
		var b cdc.RowBuilder
		text := bytes.Repeat([]byte{'x'}, size)
		b.Bytes(text)
		b.Int64(7)
		r := b.Build()
		if err := cdc.CheckRow(r); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if !bytes.Equal(r.At(0).Raw, text) || r.At(1).Int64() != 7 {
			t.Errorf("%d bytes do not come back", size)
		}
	}
}

func TestEveryNaNIsTheSame(t *testing.T) {
	var a, b cdc.RowBuilder
	a.Float64(math.NaN())
	b.Float64(math.Float64frombits(0xfff8_dead_beef_0001))
	if !bytes.Equal(a.Build(), b.Build()) {
		t.Error("two NaNs differ")
	}
}

func TestAccessorsDoNotTrustTheirBytes(t *testing.T) {
	for _, raw := range [][]byte{nil, {1, 2}, bytes.Repeat([]byte{9}, 17)} {
		v := cdc.Value{Raw: raw}
		if v.Bool() || v.Int64() != 0 || v.Float64() != 0 || v.Days() != 0 || len(v.AppendVector(nil)) != len(raw)/4 {
			t.Errorf("%d bytes read as something", len(raw))
		}
		_ = v.UUID()
	}
}

// What CheckRow lets pass is what a builder writes, byte for byte, and can be read without a panic.
func FuzzRow(f *testing.F) {
	var b cdc.RowBuilder
	f.Add([]byte(b.Build()))
	b.Text("text")
	b.Null()
	b.Unchanged()
	b.Reference([]byte("ref"))
	b.Bytes(make([]byte, 300))
	f.Add([]byte(b.Build()))
	f.Add([]byte{1, 0x81, 0, 0, 0})
	f.Add([]byte{4, 1, 0, 0, 0, 0, 0})
	f.Add(binary.AppendUvarint([]byte{1}, 1<<40))
	f.Fuzz(func(t *testing.T, data []byte) {
		if cdc.CheckRow(data) != nil {
			return
		}
		r := cdc.Row(data)
		var b cdc.RowBuilder
		for i := range r.Len() {
			v := r.At(i)
			_, _, _, _, _ = v.Bool(), v.Int64(), v.Float64(), v.Time(), v.Date()
			_, _ = v.UUID(), v.AppendVector(nil)
			b.Value(v)
		}
		if again := b.Build(); !bytes.Equal(again, data) {
			t.Errorf("%x is built as %x", data, again)
		}
	})
}

func TestBuiltRowsPassTheCheckAndCutOnesDoNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRow(t, drawColumns(t, 2))
		if err := cdc.CheckRow(r); err != nil {
			t.Fatal(err)
		}
		if n := rapid.IntRange(0, len(r)-1).Draw(t, "cut"); cdc.CheckRow(r[:n]) == nil {
			t.Fatalf("%d bytes of %d pass", n, len(r))
		}
		if cdc.CheckRow(append(bytes.Clone(r), 0)) == nil {
			t.Fatal("a byte too many passes")
		}
	})
}

func TestProjectPicksFields(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := append(drawColumns(t, 1), cdc.Column{Name: "last", Type: cdc.Type{Kind: cdc.Int64}})
		r := drawRow(t, columns)
		fields := rapid.SliceOfN(rapid.IntRange(0, len(columns)-1), 0, 8).Draw(t, "fields")
		var b cdc.RowBuilder
		got := cdc.Row(b.Project([]byte("before"), r, fields)[len("before"):])
		if got.Len() != len(fields) || cdc.CheckRow(got) != nil {
			t.Fatalf("%d fields of %d: %v", got.Len(), len(fields), cdc.CheckRow(got))
		}
		for i, f := range fields {
			if diff := cmp.Diff(r.At(f), got.At(i)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
