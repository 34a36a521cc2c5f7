package kafka

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/freshet/freshet/cdc"
)

// values turns JSON into fields of rows. A value of another type than the column's is a fault, never
// bent into shape (a text "12" is no int).
type values struct {
	text  []byte // scratch: of the text that is read
	bytes []byte // scratch: of what it is turned into
	inner []*cdc.RowBuilder
}

// errNull says that a column which does not allow null has no value.
var errNull = errors.New("there is no value, and null is not allowed")

// typeFault is a value of another type than the column's.
func typeFault(t *cdc.Type, doc []byte, v token) error {
	shown := doc[v.start:v.end]
	if len(shown) > 40 {
		shown = append(slices.Clip(shown[:37:37]), "..."...)
	}
	return fmt.Errorf("%s is %s, not %s", shown, v.kind, t)
}

// add adds a value as a field. Its text has been scanned.
func (x *values) add(b *cdc.RowBuilder, t *cdc.Type, doc []byte, v token) error {
	if v.kind == kindNone || v.kind == kindNull {
		if !t.Nullable {
			return errNull
		}
		b.Null()
		return nil
	}
	raw := doc[v.start:v.end]
	switch t.Kind {
	case cdc.String:
		return x.addString(b, t, doc, v)
	case cdc.Int64:
		n, ok := parseInt(raw)
		if v.kind != kindNumber || !ok {
			return typeFault(t, doc, v)
		}
		b.Int64(n)
		return nil
	case cdc.Float64:
		if v.kind != kindNumber {
			return typeFault(t, doc, v)
		}
		f, err := strconv.ParseFloat(view(raw), 64)
		if err != nil {
			return fmt.Errorf("%s does not fit a float", raw)
		}
		b.Float64(f)
		return nil
	case cdc.Bool:
		if v.kind != kindTrue && v.kind != kindFalse {
			return typeFault(t, doc, v)
		}
		b.Bool(v.kind == kindTrue)
		return nil
	case cdc.JSON:
		if !utf8.Valid(raw) {
			return errUTF8
		}
		b.Bytes(raw)
		return nil
	case cdc.List:
		return x.addList(b, t, doc, v)
	case cdc.Vector:
		return x.addVector(b, t, doc, v)
	case cdc.Struct:
		return x.addStruct(b, t, doc, v)
	case cdc.Decimal:
		if v.kind == kindNumber {
			return addDecimal(b, t, raw)
		}
	}
	return x.addText(b, t, doc, v)
}

func (x *values) addString(b *cdc.RowBuilder, t *cdc.Type, doc []byte, v token) error {
	if v.kind != kindText {
		return typeFault(t, doc, v)
	}
	if !v.escaped && len(t.Enum) == 0 {
		text := doc[v.start+1 : v.end-1]
		if v.foreign && !utf8.Valid(text) {
			return errUTF8
		}
		b.Bytes(text)
		return nil
	}
	var err error
	if x.text, err = appendText(x.text[:0], doc, v); err != nil {
		return err
	}
	if len(t.Enum) > 0 && !slices.Contains(t.Enum, string(x.text)) {
		return fmt.Errorf("%q is none of %s", x.text, t.NotNull())
	}
	b.Bytes(x.text)
	return nil
}

// addText adds a value of a type that JSON writes as a text.
func (x *values) addText(b *cdc.RowBuilder, t *cdc.Type, doc []byte, v token) error {
	if v.kind != kindText {
		return typeFault(t, doc, v)
	}
	var err error
	if x.text, err = appendText(x.text[:0], doc, v); err != nil {
		return err
	}
	return x.addParsed(b, t, x.text)
}

// addParsed adds what a text says in the usual form of a type.
func (x *values) addParsed(b *cdc.RowBuilder, t *cdc.Type, text []byte) error {
	switch t.Kind {
	case cdc.Decimal:
		return addDecimal(b, t, text)
	case cdc.Bytes:
		var err error
		if x.bytes, err = base64.StdEncoding.AppendDecode(x.bytes[:0], text); err != nil {
			return fmt.Errorf("%.40q is not base64", text)
		}
		b.Bytes(x.bytes)
		return nil
	case cdc.Timestamp:
		at, err := time.Parse(time.RFC3339Nano, view(text))
		if err != nil || !writable(at) {
			return fmt.Errorf("%.40q is no time such as 2006-01-02T15:04:05Z", text)
		}
		b.Time(at)
		return nil
	case cdc.Date:
		at, err := time.Parse(time.DateOnly, view(text))
		if err != nil {
			return fmt.Errorf("%.40q is no date such as 2006-01-02", text)
		}
		b.Days(int32(at.Unix() / 86_400))
		return nil
	case cdc.UUID:
		u, ok := parseUUID(text)
		if !ok {
			return fmt.Errorf("%.40q is no UUID", text)
		}
		b.Bytes(u[:])
		return nil
	case cdc.String:
		if !utf8.Valid(text) {
			return errUTF8
		}
		b.Bytes(text)
		return nil
	}
	return fmt.Errorf("%.40q is a text, not %s", text, t)
}

// writable reports whether a time has a year that can be written.
func writable(t time.Time) bool {
	y := t.UTC().Year()
	return y >= 0 && y <= 9999
}

// addDecimal adds a decimal as it is written.
func addDecimal(b *cdc.RowBuilder, t *cdc.Type, text []byte) error {
	var room [64]byte
	if _, err := cdc.AppendKeyValue(room[:0], cdc.Decimal, cdc.Value{Raw: text}); err != nil {
		return fmt.Errorf("%.40q is no %s", text, t.NotNull())
	}
	b.Bytes(text)
	return nil
}

func (x *values) addList(b *cdc.RowBuilder, t *cdc.Type, doc []byte, v token) error {
	if v.kind != kindArray {
		return typeFault(t, doc, v)
	}
	inner := x.enter()
	defer x.leave(inner)
	s := scanner{b: doc, at: v.start + 1}
	for first := true; ; first = false {
		e, more, err := s.element(first, 0)
		if err != nil || !more {
			b.Row(inner.Build())
			return err
		}
		if err := x.add(inner, t.Elem, doc, e); err != nil {
			return fmt.Errorf("element %d: %w", inner.Len(), err)
		}
	}
}

func (x *values) addVector(b *cdc.RowBuilder, t *cdc.Type, doc []byte, v token) error {
	if v.kind != kindArray {
		return typeFault(t, doc, v)
	}
	x.bytes = x.bytes[:0]
	s := scanner{b: doc, at: v.start + 1}
	n := 0
	for ; ; n++ {
		e, more, err := s.element(n == 0, 0)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		f, err := strconv.ParseFloat(view(doc[e.start:e.end]), 32)
		if e.kind != kindNumber || err != nil {
			return fmt.Errorf("element %d: %s is no number of a vector", n, doc[e.start:e.end])
		}
		x.bytes = cdc.AppendVector(x.bytes, []float32{float32(f)})
	}
	if t.Dims > 0 && n != t.Dims {
		return fmt.Errorf("%d numbers are no %s", n, t.NotNull())
	}
	b.Bytes(x.bytes)
	return nil
}

func (x *values) addStruct(b *cdc.RowBuilder, t *cdc.Type, doc []byte, v token) error {
	if v.kind != kindObject {
		return typeFault(t, doc, v)
	}
	tokens := make([]token, len(t.Fields))
	s := scanner{b: doc, at: v.start}
	if err := newShape(t.Fields).find(&s, tokens); err != nil {
		return err
	}
	inner := x.enter()
	defer x.leave(inner)
	for i, f := range t.Fields {
		if err := x.add(inner, &t.Fields[i].Type, doc, tokens[i]); err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	b.Row(inner.Build())
	return nil
}

// enter gives a builder for what lies within a value.
func (x *values) enter() *cdc.RowBuilder {
	if n := len(x.inner); n > 0 {
		b := x.inner[n-1]
		x.inner = x.inner[:n-1]
		b.Reset()
		return b
	}
	return &cdc.RowBuilder{}
}

func (x *values) leave(b *cdc.RowBuilder) { x.inner = append(x.inner, b) }

// view is a text as a string that shares its memory, for calls that do not keep it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// parseInt reads a whole number; what has a fraction or an exponent, or is too large, is none.
func parseInt(b []byte) (int64, bool) {
	digits := b
	if len(b) > 0 && b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 19 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if len(digits) < len(b) {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n <= math.MaxInt64
}

// parseUUID reads the usual form of five groups, or 32 digits in one.
func parseUUID(text []byte) (u [16]byte, ok bool) {
	if len(text) != 36 && len(text) != 32 {
		return u, false
	}
	n := 0
	for i := 0; i < len(text); i++ {
		if len(text) == 36 && (i == 8 || i == 13 || i == 18 || i == 23) {
			if text[i] != '-' {
				return u, false
			}
			continue
		}
		d := hexDigit(text[i])
		if d < 0 {
			return u, false
		}
		u[n/2] = u[n/2]<<4 | byte(d)
		n++
	}
	return u, n == 32
}
