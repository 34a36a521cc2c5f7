package kafka

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
	"github.com/hamba/avro/v2"
)

// avroReader makes JSON of what Avro's binary encoding holds: logical types in their usual text form, bytes in
// base64, unions as the value that is there. After a fault it is empty.
type avroReader struct {
	b   []byte
	err error
}

var errAvroShort = errors.New("the bytes end within a value")

func (r *avroReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *avroReader) take(n int64) []byte {
	if n < 0 || n > int64(len(r.b)) {
		r.fail(errAvroShort)
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *avroReader) long() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(errAvroShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// append reads a value of a schema and writes it as JSON.
func (r *avroReader) append(dst []byte, s avro.Schema, depth int) []byte {
	if depth > depthMax {
		r.fail(fmt.Errorf("it nests deeper than %d levels", depthMax))
	}
	if r.err != nil {
		return dst
	}
	switch s := s.(type) {
	case *avro.RefSchema:
		return r.append(dst, s.Schema(), depth)
	case *avro.RecordSchema:
		dst = append(dst, '{')
		for i, f := range s.Fields() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(cdc.AppendJSONString(dst, f.Name()), ':')
			dst = r.append(dst, f.Type(), depth+1)
		}
		return append(dst, '}')
	case *avro.UnionSchema:
		i := r.long()
		if i < 0 || i >= int64(len(s.Types())) {
			r.fail(fmt.Errorf("a union has no branch %d", i))
			return dst
		}
		return r.append(dst, s.Types()[i], depth+1)
	case *avro.ArraySchema:
		dst = append(dst, '[')
		dst = r.blocks(dst, func(dst []byte) []byte { return r.append(dst, s.Items(), depth+1) })
		return append(dst, ']')
	case *avro.MapSchema:
		dst = append(dst, '{')
		dst = r.blocks(dst, func(dst []byte) []byte {
			dst = append(r.appendString(dst), ':')
			return r.append(dst, s.Values(), depth+1)
		})
		return append(dst, '}')
	case *avro.EnumSchema:
		i := r.long()
		symbol, ok := s.Symbol(int(i))
		if !ok {
			r.fail(fmt.Errorf("an enum has no symbol %d", i))
		}
		return cdc.AppendJSONString(dst, symbol)
	case *avro.FixedSchema:
		return r.appendBytes(dst, r.take(int64(s.Size())), s.Logical())
	}
	return r.primitive(dst, s)
}

// blocks reads the items of an array or map.
func (r *avroReader) blocks(dst []byte, item func([]byte) []byte) []byte {
	for first := true; r.err == nil; {
		n := r.long()
		if n == 0 {
			break
		}
		if n < 0 {
			n = -n
			r.long() // the size of the block in bytes
		}
		if n > int64(len(r.b)) && len(r.b) == 0 || n < 0 {
			r.fail(errAvroShort) // items of no bytes would never end
		}
		for ; n > 0 && r.err == nil; n-- {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = item(dst)
			if len(dst) > avroMax {
				r.fail(fmt.Errorf("it is larger than %d bytes", avroMax))
			}
		}
	}
	return dst
}

// avroMax bounds the JSON of one record: a few bytes may claim millions of items without any.
const avroMax = 64 << 20

func (r *avroReader) primitive(dst []byte, s avro.Schema) []byte {
	var logical avro.LogicalSchema
	connect := ""
	if p, ok := s.(*avro.PrimitiveSchema); ok {
		logical = p.Logical()
		connect, _ = p.Prop("connect.name").(string)
	}
	switch s.Type() {
	case avro.Null:
		return append(dst, "null"...)
	case avro.Boolean:
		b := r.take(1)
		return strconv.AppendBool(dst, len(b) == 1 && b[0] != 0)
	case avro.Int, avro.Long:
		return appendAvroInt(dst, r.long(), logicalName(logical), connect)
	case avro.Float:
		if b := r.take(4); b != nil {
			return r.appendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 32)
		}
	case avro.Double:
		if b := r.take(8); b != nil {
			return r.appendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)
		}
	case avro.String:
		return r.appendString(dst)
	case avro.Bytes:
		return r.appendBytes(dst, r.take(r.long()), logical)
	default:
		r.fail(fmt.Errorf("the type %s is not read", s.Type()))
	}
	return dst
}

func logicalName(l avro.LogicalSchema) avro.LogicalType {
	if l == nil {
		return ""
	}
	return l.Type()
}

// appendAvroInt writes a whole number, or the time that it stands for.
func appendAvroInt(dst []byte, n int64, logical avro.LogicalType, connect string) []byte {
	var at time.Time
	switch {
	case logical == avro.Date || connect == "io.debezium.time.Date":
		dst = append(dst, '"')
		return append(time.Unix(n*86_400, 0).UTC().AppendFormat(dst, time.DateOnly), '"')
	case logical == avro.TimestampMillis || connect == "io.debezium.time.Timestamp" || connect == "org.apache.kafka.connect.data.Timestamp":
		at = time.UnixMilli(n)
	case logical == avro.TimestampMicros || connect == "io.debezium.time.MicroTimestamp":
		at = time.UnixMicro(n)
	case connect == "io.debezium.time.NanoTimestamp":
		at = time.Unix(0, n)
	default:
		return strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, '"')
	return append(at.UTC().AppendFormat(dst, time.RFC3339Nano), '"')
}

// appendFloat writes a number; JSON has none for NaN and infinities.
func (r *avroReader) appendFloat(dst []byte, x float64, bits int) []byte {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, x, 'g', -1, bits)
}

func (r *avroReader) appendString(dst []byte) []byte {
	b := r.take(r.long())
	if !utf8.Valid(b) {
		r.fail(errUTF8)
	}
	return cdc.AppendJSONString(dst, view(b))
}

// appendBytes writes bytes in base64, or the decimal that they stand for.
func (r *avroReader) appendBytes(dst, b []byte, logical avro.LogicalSchema) []byte {
	dst = append(dst, '"')
	if d, ok := logical.(*avro.DecimalLogicalSchema); ok && r.err == nil {
		text, err := scaled(b, d.Scale())
		if err != nil {
			r.fail(err)
		}
		dst = append(dst, text...)
	} else {
		dst = base64.StdEncoding.AppendEncode(dst, b)
	}
	return append(dst, '"')
}

// afterOf finds the row in the schema of Debezium's envelopes.
func afterOf(envelope *avro.RecordSchema) (*avro.RecordSchema, bool) {
	for _, f := range envelope.Fields() {
		if f.Name() != "after" {
			continue
		}
		for _, s := range branches(f.Type()) {
			if record, ok := resolved(s).(*avro.RecordSchema); ok {
				return record, true
			}
		}
	}
	return nil, false
}

func resolved(s avro.Schema) avro.Schema {
	if ref, ok := s.(*avro.RefSchema); ok {
		return ref.Schema()
	}
	return s
}

func branches(s avro.Schema) []avro.Schema {
	if u, ok := s.(*avro.UnionSchema); ok {
		return u.Types()
	}
	return []avro.Schema{s}
}

// avroColumns makes columns of the fields of a record. What has no type of its own is JSON.
func avroColumns(record *avro.RecordSchema) []cdc.Column {
	var columns []cdc.Column
	for _, f := range record.Fields() {
		columns = append(columns, cdc.Column{Name: f.Name(), Type: avroType(f.Type())})
	}
	return columns
}

func avroType(s avro.Schema) cdc.Type {
	var t cdc.Type
	null, several := false, false
	for _, b := range branches(s) {
		if b.Type() == avro.Null {
			null = true
			continue
		}
		several = several || t.Kind != cdc.Invalid
		t = branchType(resolved(b))
	}
	if several || t.Kind == cdc.Invalid {
		t = cdc.Type{Kind: cdc.JSON}
	}
	t.Nullable = null
	return t
}

func branchType(s avro.Schema) cdc.Type {
	switch s := s.(type) {
	case *avro.EnumSchema:
		return cdc.Type{Kind: cdc.String, Enum: s.Symbols()}
	case *avro.FixedSchema:
		return bytesType(logicalName(s.Logical()))
	case *avro.ArraySchema:
		elem := avroType(s.Items())
		return cdc.Type{Kind: cdc.List, Elem: &elem}
	case *avro.PrimitiveSchema:
		return primitiveType(s)
	}
	return cdc.Type{Kind: cdc.JSON}
}

func bytesType(logical avro.LogicalType) cdc.Type {
	if logical == avro.Decimal {
		return cdc.Type{Kind: cdc.Decimal}
	}
	return cdc.Type{Kind: cdc.Bytes}
}

func primitiveType(s *avro.PrimitiveSchema) cdc.Type {
	logical := logicalName(s.Logical())
	connect, _ := s.Prop("connect.name").(string)
	switch s.Type() {
	case avro.Boolean:
		return cdc.Type{Kind: cdc.Bool}
	case avro.Float, avro.Double:
		return cdc.Type{Kind: cdc.Float64}
	case avro.Bytes:
		return bytesType(logical)
	case avro.String:
		switch {
		case logical == avro.UUID || connect == "io.debezium.data.Uuid":
			return cdc.Type{Kind: cdc.UUID}
		case connect == "io.debezium.data.Json":
			return cdc.Type{Kind: cdc.JSON}
		case connect == "io.debezium.time.ZonedTimestamp":
			return cdc.Type{Kind: cdc.Timestamp}
		}
		return cdc.Type{Kind: cdc.String}
	case avro.Int, avro.Long:
		switch text := appendAvroInt(nil, 0, logical, connect); len(text) {
		case 1:
			return cdc.Type{Kind: cdc.Int64}
		case len(`"2006-01-02"`):
			return cdc.Type{Kind: cdc.Date}
		}
		return cdc.Type{Kind: cdc.Timestamp}
	}
	return cdc.Type{Kind: cdc.JSON}
}
