package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/freshet/freshet/cdc"
)

// codec moves values of one Go type between rows and memory.
type codec interface {
	// column is the type of the column that values are written as.
	column() cdc.Type
	// fit finds out how values of a column are read; the errors say why they cannot be.
	fit(t cdc.Type, at place) (load, []error)
	// put writes the value at p.
	put(b *cdc.RowBuilder, p unsafe.Pointer) error
}

// load reads a value, which is set, into zeroed memory at p.
type load func(p unsafe.Pointer, v cdc.Value, t *texts) error

// texts is where the texts of one row are copied to, in one piece: rows are overwritten, what a function
// is given stays.
type texts struct{ room []byte }

func (t *texts) take(raw []byte) []byte {
	if cap(t.room)-len(t.room) < len(raw) {
		t.room = make([]byte, 0, len(raw))
	}
	from := len(t.room)
	t.room = append(t.room, raw...)
	return t.room[from:len(t.room):len(t.room)]
}

func (t *texts) text(raw []byte) string {
	kept := t.take(raw)
	return unsafe.String(unsafe.SliceData(kept), len(kept))
}

// place is a field and the column that it is read from, for faults.
type place struct{ from, field, column, goType string }

// mismatch says that a column does not fit a field.
func (at place) mismatch(want, have cdc.Type) error {
	p := &Problem{Code: "wrong_type", Field: at.field,
		Message: fmt.Sprintf("%s is %s, and the column %q of %q is %s", at.field, at.goType, at.column, at.from, have),
		Hint:    "make it " + goTypeOf(have)}
	if have.Kind == want.Kind && have.Nullable {
		p.Message += ", which may be null"
		p.Hint = "make it *" + at.goType
	}
	return p
}

// goTypeOf is the Go type that a column is read as.
func goTypeOf(t cdc.Type) string {
	star := ""
	if t.Nullable {
		star = "*"
	}
	switch t.Kind {
	case cdc.Bool:
		return star + "bool"
	case cdc.Int64:
		return star + "int64"
	case cdc.Float64:
		return star + "float64"
	case cdc.String:
		return star + "string"
	case cdc.Decimal:
		return star + "string, with the tag `freshet:\",decimal\"`"
	case cdc.Bytes:
		return star + "[]byte"
	case cdc.Timestamp:
		return star + "time.Time"
	case cdc.Date:
		return star + "time.Time, with the tag `freshet:\",date\"`"
	case cdc.UUID:
		return star + "[16]byte"
	case cdc.JSON:
		return star + "json.RawMessage"
	case cdc.Vector:
		return star + "[]float32"
	case cdc.List:
		return star + "[]" + goTypeOf(*t.Elem)
	}
	return star + "struct"
}

// scalar is the codec of a type without parts.
type scalar struct {
	typ   cdc.Type
	read  load
	write func(b *cdc.RowBuilder, p unsafe.Pointer) error
}

func (c scalar) column() cdc.Type                              { return c.typ }
func (c scalar) put(b *cdc.RowBuilder, p unsafe.Pointer) error { return c.write(b, p) }

func (c scalar) fit(t cdc.Type, at place) (load, []error) {
	if t.Nullable || t.Kind != c.typ.Kind || c.typ.Dims > 0 && t.Dims > 0 && t.Dims != c.typ.Dims {
		return nil, []error{at.mismatch(c.typ, t)}
	}
	return c.read, nil
}

// compileCodec finds the codec of a Go type. around are the structs that the value is part of.
func compileCodec(t reflect.Type, tag fieldTag, path string, around []reflect.Type) (codec, error) {
	c, err := codecOf(t, tag, path, around)
	if err != nil {
		return nil, err
	}
	leaf := c.column()
	if tag.dims > 0 && leaf.Kind != cdc.Vector {
		return nil, &Problem{Code: "wrong_type", Field: path, Message: fmt.Sprintf("the tag of %s gives it a length, and it is %s", path, t),
			Hint: "dims is for a []float32"}
	}
	for leaf.Kind == cdc.List {
		leaf = *leaf.Elem
	}
	if tag.kind != cdc.Invalid && leaf.Kind != tag.kind {
		return nil, &Problem{Code: "wrong_type", Field: path, Message: fmt.Sprintf("the tag of %s says %s, and it is %s", path, tag.kind, t),
			Hint: "decimal and json are for a string, date is for a time.Time"}
	}
	return c, nil
}

func codecOf(t reflect.Type, tag fieldTag, path string, around []reflect.Type) (codec, error) {
	if c := plainCodec(t, tag); c != nil {
		return c, nil
	}
	switch {
	case t.Kind() == reflect.Pointer && t.Elem().Kind() != reflect.Pointer:
		elem, err := compileCodec(t.Elem(), tag, path, around)
		return pointer{elem: elem, typ: t.Elem()}, err
	case t.Kind() == reflect.Slice:
		elem, err := compileCodec(t.Elem(), fieldTag{kind: tag.kind}, path+"[]", around)
		return list{elem: elem, typ: t}, err
	case t.Kind() == reflect.Struct && !slices.Contains(around, t):
		inner := &record{name: path}
		faults := inner.collect(t, 0, around)
		return structure{inner}, errors.Join(append(faults, inner.doubled()...)...)
	}
	return nil, &Problem{Code: "wrong_type", Field: path, Message: fmt.Sprintf("%s is %s, which no column holds", path, t), Hint: unheldHint(t)}
}

func unheldHint(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Float32:
		return "make it float64: a float32 would lose digits without a word"
	case reflect.Map, reflect.Interface:
		return "make it json.RawMessage, or a struct with the members that are needed"
	case reflect.Struct:
		return "a struct cannot be part of itself: make the inner one json.RawMessage"
	}
	return "leave it out with the tag `freshet:\"-\"`, or make it bool, int64, float64, string, []byte, time.Time, [16]byte, " +
		"json.RawMessage, []float32, a slice or a struct of these, or a pointer where null is allowed"
}

// plainCodec is the codec of a type without parts, nil for others.
func plainCodec(t reflect.Type, tag fieldTag) codec {
	switch t {
	case reflect.TypeFor[time.Time]():
		if tag.kind == cdc.Date {
			return dateCodec()
		}
		return timeCodec()
	case reflect.TypeFor[json.RawMessage]():
		return bytesCodec(cdc.JSON)
	}
	switch t.Kind() {
	case reflect.Bool:
		return scalar{cdc.Type{Kind: cdc.Bool}, func(p unsafe.Pointer, v cdc.Value, _ *texts) error {
			*(*bool)(p) = v.Bool()
			return nil
		}, func(b *cdc.RowBuilder, p unsafe.Pointer) error {
			b.Bool(*(*bool)(p))
			return nil
		}}
	case reflect.Float64:
		return scalar{cdc.Type{Kind: cdc.Float64}, func(p unsafe.Pointer, v cdc.Value, _ *texts) error {
			*(*float64)(p) = v.Float64()
			return nil
		}, func(b *cdc.RowBuilder, p unsafe.Pointer) error {
			b.Float64(*(*float64)(p))
			return nil
		}}
	case reflect.String:
		if tag.kind == cdc.Decimal || tag.kind == cdc.JSON {
			return stringCodec(tag.kind)
		}
		return stringCodec(cdc.String)
	case reflect.Slice, reflect.Array:
		return blockCodec(t, tag)
	}
	return integerCodec(t.Kind())
}

// blockCodec is the codec of bytes, vectors and UUIDs, nil for other slices and arrays.
func blockCodec(t reflect.Type, tag fieldTag) codec {
	array := t.Kind() == reflect.Array
	switch elem := t.Elem().Kind(); {
	case elem == reflect.Uint8 && !array:
		return bytesCodec(cdc.Bytes)
	case elem == reflect.Uint8 && t.Len() == 16:
		return scalar{cdc.Type{Kind: cdc.UUID}, func(p unsafe.Pointer, v cdc.Value, _ *texts) error {
			*(*[16]byte)(p) = v.UUID()
			return nil
		}, func(b *cdc.RowBuilder, p unsafe.Pointer) error {
			b.Bytes((*(*[16]byte)(p))[:])
			return nil
		}}
	case elem == reflect.Float32 && array && t.Len() > 0:
		return arrayCodec(t.Len())
	case elem == reflect.Float32 && !array:
		return vectorCodec(tag.dims)
	}
	return nil
}

func integerCodec(k reflect.Kind) codec {
	switch k {
	case reflect.Int:
		return integer[int]()
	case reflect.Int8:
		return integer[int8]()
	case reflect.Int16:
		return integer[int16]()
	case reflect.Int32:
		return integer[int32]()
	case reflect.Int64:
		return integer[int64]()
	case reflect.Uint:
		return integer[uint]()
	case reflect.Uint8:
		return integer[uint8]()
	case reflect.Uint16:
		return integer[uint16]()
	case reflect.Uint32:
		return integer[uint32]()
	case reflect.Uint64:
		return integer[uint64]()
	}
	return nil
}

func integer[I int | int8 | int16 | int32 | int64 | uint | uint8 | uint16 | uint32 | uint64]() codec {
	return scalar{cdc.Type{Kind: cdc.Int64}, func(p unsafe.Pointer, v cdc.Value, _ *texts) error {
		x := v.Int64()
		y := I(x)
		if int64(y) != x || (y < 0) != (x < 0) {
			return fmt.Errorf("%d does not fit %T", x, y)
		}
		*(*I)(p) = y
		return nil
	}, func(b *cdc.RowBuilder, p unsafe.Pointer) error {
		x := *(*I)(p)
		if x > 0 && uint64(x) > math.MaxInt64 {
			return fmt.Errorf("%d does not fit int", x)
		}
		b.Int64(int64(x))
		return nil
	}}
}

func stringCodec(kind cdc.Kind) codec {
	return scalar{cdc.Type{Kind: kind}, func(p unsafe.Pointer, v cdc.Value, t *texts) error {
		*(*string)(p) = t.text(v.Raw)
		return nil
	}, func(b *cdc.RowBuilder, p unsafe.Pointer) error {
		s := *(*string)(p)
		if err := checkText(kind, s); err != nil {
			return err
		}
		b.Text(s)
		return nil
	}}
}

// checkText refuses what no column of a kind may hold, so that no later step or sink meets it.
func checkText(kind cdc.Kind, s string) error {
	raw := unsafe.Slice(unsafe.StringData(s), len(s))
	switch kind {
	case cdc.String:
		if !utf8.ValidString(s) {
			return fmt.Errorf("%.40q is not valid UTF-8", s)
		}
	case cdc.JSON:
		if !json.Valid(raw) {
			return fmt.Errorf("%.40q is no JSON", s)
		}
	case cdc.Decimal:
		if _, err := cdc.AppendKeyValue(nil, cdc.Decimal, cdc.Value{Raw: raw}); err != nil {
			return fmt.Errorf("%.40q is no decimal", s)
		}
	}
	return nil
}

func bytesCodec(kind cdc.Kind) codec {
	return scalar{cdc.Type{Kind: kind}, func(p unsafe.Pointer, v cdc.Value, t *texts) error {
		*(*[]byte)(p) = t.take(v.Raw)
		return nil
	}, func(b *cdc.RowBuilder, p unsafe.Pointer) error {
		raw := *(*[]byte)(p)
		if err := checkText(kind, unsafe.String(unsafe.SliceData(raw), len(raw))); err != nil {
			return err
		}
		b.Bytes(raw)
		return nil
	}}
}

func timeCodec() codec {
	return scalar{cdc.Type{Kind: cdc.Timestamp}, func(p unsafe.Pointer, v cdc.Value, _ *texts) error {
		*(*time.Time)(p) = v.Time()
		return nil
	}, func(b *cdc.RowBuilder, p unsafe.Pointer) error {
		b.Time(*(*time.Time)(p))
		return nil
	}}
}

// dateCodec takes the day that the calendar shows at the time's own place.
func dateCodec() codec {
	return scalar{cdc.Type{Kind: cdc.Date}, func(p unsafe.Pointer, v cdc.Value, _ *texts) error {
		*(*time.Time)(p) = v.Date()
		return nil
	}, func(b *cdc.RowBuilder, p unsafe.Pointer) error {
		year, month, day := (*time.Time)(p).Date()
		b.Days(int32(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86_400))
		return nil
	}}
}

func vectorCodec(dims int) codec {
	return scalar{cdc.Type{Kind: cdc.Vector, Dims: dims}, func(p unsafe.Pointer, v cdc.Value, _ *texts) error {
		if dims > 0 && len(v.Raw) != 4*dims {
			return fmt.Errorf("%d numbers, its tag says %d", len(v.Raw)/4, dims)
		}
		*(*[]float32)(p) = v.AppendVector(make([]float32, 0, len(v.Raw)/4))
		return nil
	}, func(b *cdc.RowBuilder, p unsafe.Pointer) error {
		x := *(*[]float32)(p)
		if dims > 0 && len(x) != dims {
			return fmt.Errorf("%d numbers, its tag says %d", len(x), dims)
		}
		b.Vector(x)
		return nil
	}}
}

func arrayCodec(n int) codec {
	return scalar{cdc.Type{Kind: cdc.Vector, Dims: n}, func(p unsafe.Pointer, v cdc.Value, _ *texts) error {
		if len(v.Raw) != 4*n {
			return fmt.Errorf("%d numbers, the array has %d", len(v.Raw)/4, n)
		}
		v.AppendVector(unsafe.Slice((*float32)(p), n)[:0])
		return nil
	}, func(b *cdc.RowBuilder, p unsafe.Pointer) error {
		b.Vector(unsafe.Slice((*float32)(p), n))
		return nil
	}}
}
