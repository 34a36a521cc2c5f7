package postgres

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/cdc"
)

func TestPlacesReadAsTheyAreWrittenAndOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) place {
			p := place{lsn: LSN(rapid.Uint64().Draw(t, name)), step: rapid.Uint16().Draw(t, "step"), system: rapid.Uint32().Draw(t, "system"),
				timeline: rapid.Uint32().Draw(t, "timeline")}
			for _, oid := range rapid.SliceOfDistinct(rapid.Uint32Min(1), rapid.ID[uint32]).Draw(t, "tables") {
				h := heldTable{oid: oid, where: rapid.Uint16().Draw(t, "where"), part: rapid.Bool().Draw(t, "part"),
					family: family{since: rapid.Uint64().Draw(t, "since"), sum: rapid.Uint32().Draw(t, "sum")}, layout: layout(rapid.StringN(-1, -1, 40).Draw(t, "layout"))}
				if h.part {
					h.spot = spot{leaf: rapid.Uint32().Draw(t, "leaf"), page: rapid.Uint32().Draw(t, "page"), file: rapid.Uint32().Draw(t, "file")}
				}
				p.set(h)
			}
			return p
		}
		a, b := draw("a"), draw("b")
		back, err := readPlace(a.encode())
		if err != nil || fmt.Sprint(back) != fmt.Sprint(a) {
			t.Fatalf("%+v is read as %+v: %v", a, back, err)
		}
		if a.lsn < b.lsn && a.encode() >= b.encode() || a.lsn <= b.lsn && bare(a.lsn) > b.encode() {
			t.Fatalf("%s and %s do not order", a.lsn, b.lsn)
		}
		kept := origin(a.encode())
		for i := range a.tables {
			a.tables[i].layout = ""
		}
		if kept != a.encode() || kept > back.encode() {
			t.Fatalf("with every row of %+v is kept %x", back, kept)
		}
		if lsn, err := ParseLSN(a.lsn.String()); err != nil || lsn != a.lsn {
			t.Fatalf("%s is read as %s: %v", a.lsn, lsn, err)
		}
	})
}

// Whoever waits for what they wrote waits for the first rows as well: they may hold it.
func TestAPlaceIsReachedOnceTheFirstRowsAreHeld(t *testing.T) {
	s := &Source{tables: []*table{{oid: 1}, {oid: 2}}}
	at := func(lsn LSN, step uint16, tables ...heldTable) cdc.Position {
		p := place{lsn: lsn, step: step, tables: tables}
		return p.encode()
	}
	one, two, part := heldTable{oid: 1}, heldTable{oid: 2}, heldTable{oid: 2, part: true}
	for _, c := range []struct {
		name            string
		at              cdc.Position
		reached, covers bool // of the log's place 10
	}{
		{"a change before it, and the tables held", at(9, 0, one, two), false, true},
		{"a change behind it, and the tables held", at(11, 0, one, two), true, false},
		{"before the first table is read", at(11, 0), false, true},
		{"a table is read", at(11, 1, one), false, true},
		{"a part of the other one", at(11, 2, one, part), false, true},
		{"the last rows of the last table", at(11, 3, one, two), true, true},
		{"the stream goes on while a table is read", at(12, 0, one, part), false, true},
	} {
		if got := s.Reached(c.at, bare(10)); got != c.reached {
			t.Errorf("%s: reached is %v", c.name, got)
		}
		if got := s.Covers(bare(10), c.at); got != c.covers {
			t.Errorf("%s: covered is %v", c.name, got)
		}
		if !s.Reached(c.at, c.at) || !s.Covers(c.at, c.at) || !s.Reached(c.at, "") {
			t.Errorf("%s: it does not reach itself", c.name)
		}
	}
}

func TestDatesCountAsTheCalendarDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		day := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(-2_000_000, 3_000_000).Draw(t, "days"))
		days, err := parseDate(dateText(day))
		if err != nil || int64(days) != (day.Unix()-946_684_800)/86_400 {
			t.Fatalf("%s is day %d: %v", dateText(day), days, err)
		}
		at := day.Add(time.Duration(rapid.Int64Range(0, 86_399_999_999).Draw(t, "micros")) * time.Microsecond)
		micros, err := parseStamp(strings.Replace(dateText(day), " BC", "", 1) + at.Format(" 15:04:05.999999") + "+00" + strings.Repeat(" BC", bcOf(day)))
		if err != nil || micros != at.UnixMicro()-epochMicros {
			t.Fatalf("%s is %d: %v", at, micros, err)
		}
	})
}

func bcOf(day time.Time) int {
	if day.Year() <= 0 {
		return 1
	}
	return 0
}

// dateText writes a date as Postgres does.
func dateText(day time.Time) string {
	if bcOf(day) == 1 {
		return fmt.Sprintf("%04d-%02d-%02d BC", 1-day.Year(), day.Month(), day.Day())
	}
	return fmt.Sprintf("%04d-%02d-%02d", day.Year(), day.Month(), day.Day())
}

// TestNumericsKeepEveryDigit compares with exact arithmetic.
func TestNumericsKeepEveryDigit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.SliceOfN(rapid.Uint16Range(0, 9999), 0, 12).Draw(t, "digits")
		weight, scale := rapid.IntRange(-4, 12).Draw(t, "weight"), rapid.IntRange(0, 40).Draw(t, "scale")
		raw := binary.BigEndian.AppendUint16(nil, uint16(len(digits)))
		raw = binary.BigEndian.AppendUint16(raw, uint16(int16(weight)))
		raw = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(raw, 0), uint16(scale))
		want := new(big.Rat)
		for i, d := range digits {
			raw = binary.BigEndian.AppendUint16(raw, d)
			part := new(big.Rat).SetInt64(int64(d))
			power := new(big.Int).Exp(big.NewInt(10_000), big.NewInt(int64(max(weight-i, i-weight))), nil)
			if weight >= i {
				part.Mul(part, new(big.Rat).SetInt(power))
			} else {
				part.Quo(part, new(big.Rat).SetInt(power))
			}
			want.Add(want, part)
		}
		text, err := appendNumeric(nil, raw)
		if err != nil {
			t.Fatal(err)
		}
		if cut := new(big.Int).Quo(new(big.Int).Mul(want.Num(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)), want.Denom()); strings.TrimLeft(strings.Replace(string(text), ".", "", 1), "0") != strings.TrimLeft(cut.String(), "0") {
			t.Fatalf("%s is written as %s", want.FloatString(scale+4), text)
		}
		if _, fraction, _ := strings.Cut(string(text), "."); len(fraction) != scale {
			t.Fatalf("%s has not %d places", text, scale)
		}
	})
}

func TestHalfFloatsWiden(t *testing.T) {
	for half, want := range map[uint16]float32{0: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 6.1035156e-05, 0x0001: 5.9604645e-08, 0x3555: 0.33325195,
		0x7c00: float32(math.Inf(1)), 0xfc00: float32(math.Inf(-1))} {
		if got := halfToFloat(half); got != want {
			t.Errorf("%04x is %v, want %v", half, got, want)
		}
	}
	if got := halfToFloat(0x7e00); got == got {
		t.Errorf("NaN is %v", got)
	}
}

func TestASnapshotShowsWhatHadEnded(t *testing.T) {
	for _, x := range []struct {
		snapshot string
		xid      uint32
		want     bool
	}{
		{"100:105:101,103", 99, true}, {"100:105:101,103", 101, false}, {"100:105:101,103", 102, true}, {"100:105:", 105, false},
		{"4294967297:4294967300:4294967298", 4294967295, true}, {"4294967297:4294967300:4294967298", 2, false}, {"4294967297:4294967300:", 3, true},
	} {
		s, err := readSight(x.snapshot)
		if got := s.shows(s.whole(x.xid)); err != nil || got != x.want {
			t.Errorf("%d in %s: %v, %v", x.xid, x.snapshot, got, err)
		}
	}
}

// FuzzValues feeds every codec: no input makes it panic, and what it takes is a row.
func FuzzValues(f *testing.F) {
	for c := codecText; c <= codecHalf; c++ {
		f.Add(byte(c), true, []byte{0, 1, 0, 0, 0, 0, 0, 2})
		f.Add(byte(c), false, []byte("2024-02-29 12:00:00.5+00 BC"))
		f.Add(byte(c), false, []byte("[1,2.5]"))
	}
	f.Fuzz(func(t *testing.T, c byte, inBinary bool, raw []byte) {
		if codec(c) > codecHalf {
			return
		}
		var b cdc.RowBuilder
		var r reader
		err := r.addText(&b, codec(c), raw)
		if inBinary {
			b.Reset()
			err = r.addBinary(&b, codec(c), raw)
		}
		if err == nil {
			if fault := cdc.CheckRow(b.Build()); fault != nil || b.Len() != 1 {
				t.Errorf("codec %d makes of %q %d fields: %v", c, raw, b.Len(), fault)
			}
		}
	})
}

// FuzzMessages feeds descriptions, tuples and copied rows.
func FuzzMessages(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01public\x00docs\x00d\x00\x01\x01id\x00\x00\x00\x00\x17\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x02n" + "t\x00\x00\x00\x01x"))
	f.Add([]byte(copySignature + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01x\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if rel, err := readRelation(&cursor{b: body}); err == nil && len(rel.columns) > 1<<16 {
			t.Errorf("%d columns of %d bytes", len(rel.columns), len(body))
		}
		var tup tuple
		tup.read(&cursor{b: body})
		if len(tup.forms) > len(body) || len(tup.forms) != len(tup.values) {
			t.Errorf("%d forms and %d values of %d bytes", len(tup.forms), len(tup.values), len(body))
		}
		// However a COPY is cut, the rows are the same.
		whole, pieces := copied(body, len(body)), copied(body, 3)
		if whole != pieces {
			t.Errorf("%q at once, %q in pieces", whole, pieces)
		}
	})
}

// copied reads a COPY in pieces of a size, and writes what came.
func copied(body []byte, size int) string {
	var r copyReader
	var tup tuple
	var out strings.Builder
	for len(body) > 0 {
		n := min(max(size, 1), len(body))
		if err := r.feed(body[:n], &tup, func() error { fmt.Fprintf(&out, "%s %q;", tup.forms, tup.values); return nil }); err != nil {
			return out.String() + "!"
		}
		body = body[n:]
	}
	return out.String()
}
