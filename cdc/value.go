package cdc

import (
	"encoding/binary"
	"math"
	"time"
	"unsafe"
)

// The accessors below read a Value whose State is Set and whose column has the named kind.
// Given other bytes they return the zero value; they never panic.

// Bool reads a Bool.
func (v Value) Bool() bool { return len(v.Raw) == 1 && v.Raw[0] == 1 }

// Int64 reads an Int64, or the microseconds of a Timestamp.
func (v Value) Int64() int64 {
	if len(v.Raw) != 8 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(v.Raw))
}

// Float64 reads a Float64.
func (v Value) Float64() float64 {
	if len(v.Raw) != 8 {
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(v.Raw))
}

// Text copies the text of a String, Decimal or JSON.
func (v Value) Text() string { return string(v.Raw) }

// TextView is Text without the copy: the string shares the row's memory, which must outlive it
// unchanged.
func (v Value) TextView() string { return unsafe.String(unsafe.SliceData(v.Raw), len(v.Raw)) }

// Time reads a Timestamp in UTC.
func (v Value) Time() time.Time { return time.UnixMicro(v.Int64()).UTC() }

// Days reads a Date: days since 1970-01-01.
func (v Value) Days() int32 {
	if len(v.Raw) != 4 {
		return 0
	}
	return int32(binary.LittleEndian.Uint32(v.Raw))
}

// Date reads a Date as midnight in UTC.
func (v Value) Date() time.Time { return time.Unix(int64(v.Days())*86_400, 0).UTC() }

// UUID reads a UUID.
func (v Value) UUID() (u [16]byte) {
	copy(u[:], v.Raw)
	return u
}

// AppendVector appends the numbers of a Vector to dst.
func (v Value) AppendVector(dst []float32) []float32 {
	for i := 0; i+4 <= len(v.Raw); i += 4 {
		dst = append(dst, math.Float32frombits(binary.LittleEndian.Uint32(v.Raw[i:])))
	}
	return dst
}

// Row reads a List or a Struct.
func (v Value) Row() Row { return Row(v.Raw) }

// Bool adds a Bool.
func (b *RowBuilder) Bool(x bool) {
	c := byte(0)
	if x {
		c = 1
	}
	b.data = append(b.data, c)
	b.end(Set)
}

// Int64 adds an Int64.
func (b *RowBuilder) Int64(x int64) {
	b.data = binary.LittleEndian.AppendUint64(b.data, uint64(x))
	b.end(Set)
}

// Float64 adds a Float64. Every NaN becomes the same one, so that equality stays on bytes.
func (b *RowBuilder) Float64(x float64) {
	if x != x {
		x = math.NaN()
	}
	b.data = binary.LittleEndian.AppendUint64(b.data, math.Float64bits(x))
	b.end(Set)
}

// Text adds a String, Decimal or JSON.
func (b *RowBuilder) Text(x string) {
	b.data = append(b.data, x...)
	b.end(Set)
}

// Bytes adds a Bytes, or the encoded bytes of any other kind.
func (b *RowBuilder) Bytes(x []byte) {
	b.data = append(b.data, x...)
	b.end(Set)
}

// Time adds a Timestamp, cut to microseconds.
func (b *RowBuilder) Time(x time.Time) { b.Int64(x.UnixMicro()) }

// Days adds a Date.
func (b *RowBuilder) Days(x int32) {
	b.data = binary.LittleEndian.AppendUint32(b.data, uint32(x))
	b.end(Set)
}

// Vector adds a Vector.
func (b *RowBuilder) Vector(x []float32) {
	b.data = AppendVector(b.data, x)
	b.end(Set)
}

// Row adds a List or a Struct.
func (b *RowBuilder) Row(r Row) { b.Bytes(r) }

// AppendVector appends the encoding of a Vector to dst.
func AppendVector(dst []byte, x []float32) []byte {
	for _, f := range x {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(f))
	}
	return dst
}
