package cdc

import (
	"encoding/binary"
	"fmt"
)

// State tells what a field of a row holds.
type State uint8

// The states of a field.
const (
	Set       State = iota // a value
	Null                   // no value
	Unchanged              // the source did not send it: the value that the row had before
	Reference              // a fingerprint under which the value is stored elsewhere
)

// Row is an encoded row. The encoding is canonical: equal rows of one schema have equal bytes.
//
//	byte 0     width of an offset: 1, 2 or 4
//	uvarint    number of fields n
//	⌈n/4⌉      states, two bits a field
//	n × width  end of each field in the data, little endian
//	...        data
//
// Rows come from [RowBuilder]; bytes from anywhere else go through [CheckRow] first, after which no
// method panics for an index below [Row.Len]. A Row never changes, and the slices that its methods
// return point into it.
type Row []byte

// Value is one field of a row: its state and its encoded bytes, which point into the row.
// What the bytes mean is said by the [Type] of the column.
type Value struct {
	State State
	Raw   []byte
}

// Len is the number of fields.
func (r Row) Len() int {
	n, _ := r.count()
	return n
}

func (r Row) count() (n, at int) {
	if len(r) < 2 {
		return 0, len(r)
	}
	if c := r[1]; c < 0x80 {
		return int(c), 2
	}
	v, size := binary.Uvarint(r[1:])
	return int(v), 1 + size
}

// At is the field at index i.
func (r Row) At(i int) Value {
	n, at := r.count()
	state := State(r[at+i>>2] >> (uint(i&3) * 2) & 3)
	width := int(r[0])
	ends := at + (n+3)/4
	data := ends + n*width
	start := 0
	if i > 0 {
		start = offset(r[ends+(i-1)*width:], width)
	}
	end := offset(r[ends+i*width:], width)
	return Value{State: state, Raw: r[data+start : data+end : data+end]}
}

func offset(b []byte, width int) int {
	switch width {
	case 1:
		return int(b[0])
	case 2:
		return int(binary.LittleEndian.Uint16(b))
	default:
		return int(binary.LittleEndian.Uint32(b))
	}
}

// CheckRow reports whether bytes are a row as [RowBuilder] writes it: sizes that fit, offsets that do
// not fall, no data where there is no value, nothing written longer than need be. It does not look
// into the values.
func CheckRow(b []byte) error {
	if len(b) < 2 {
		return fmt.Errorf("read row: %d bytes are too few", len(b))
	}
	width := int(b[0])
	if width != 1 && width != 2 && width != 4 {
		return fmt.Errorf("read row: offset width %d is not 1, 2 or 4", width)
	}
	count, size := binary.Uvarint(b[1:])
	if size <= 0 || count > maxFields || size > 1 && b[size] == 0 {
		return fmt.Errorf("read row: the number of fields is damaged")
	}
	n := int(count)
	ends := 1 + size + (n+3)/4
	data := ends + n*width
	if data > len(b) {
		return fmt.Errorf("read row: %d fields do not fit into %d bytes", n, len(b))
	}
	last := 0
	for i := range n {
		end := offset(b[ends+i*width:], width)
		if end < last || data+end > len(b) {
			return fmt.Errorf("read row: field %d ends at %d, after %d of %d", i, end, last, len(b)-data)
		}
		state := State(b[1+size+i>>2] >> (uint(i&3) * 2) & 3)
		if (state == Null || state == Unchanged) && end != last {
			return fmt.Errorf("read row: field %d has no value but %d bytes", i, end-last)
		}
		last = end
	}
	if data+last != len(b) {
		return fmt.Errorf("read row: %d bytes after the last field", len(b)-data-last)
	}
	if width != offsetWidth(last) {
		return fmt.Errorf("read row: offset width %d for %d bytes", width, last)
	}
	if n&3 != 0 && b[size+(n+3)/4]>>(uint(n&3)*2) != 0 {
		return fmt.Errorf("read row: states of more than %d fields", n)
	}
	return nil
}

// offsetWidth is the least width of offsets into so many bytes of data.
func offsetWidth(data int) int {
	switch {
	case data > 0xffff:
		return 4
	case data > 0xff:
		return 2
	}
	return 1
}

// maxFields bounds the fields of a row; Postgres allows 1,600 columns.
const maxFields = 1 << 20

// RowBuilder encodes rows, one at a time: Reset, one call per field in column order, Append.
// It is reused to avoid allocations, and belongs to one goroutine.
type RowBuilder struct {
	states []byte // two bits a field
	ends   []uint32
	data   []byte
}

// Reset forgets the fields given so far.
func (b *RowBuilder) Reset() {
	b.states, b.ends, b.data = b.states[:0], b.ends[:0], b.data[:0]
}

func (b *RowBuilder) end(s State) {
	i := len(b.ends)
	if i&3 == 0 {
		b.states = append(b.states, 0)
	}
	b.states[i>>2] |= byte(s) << (uint(i&3) * 2)
	b.ends = append(b.ends, uint32(len(b.data)))
}

// Value adds a field as another row holds it.
func (b *RowBuilder) Value(v Value) {
	b.data = append(b.data, v.Raw...)
	b.end(v.State)
}

// Null adds a field without a value.
func (b *RowBuilder) Null() { b.end(Null) }

// Unchanged adds a field that the source did not send.
func (b *RowBuilder) Unchanged() { b.end(Unchanged) }

// Reference adds a field whose value is stored elsewhere under a fingerprint.
func (b *RowBuilder) Reference(fingerprint []byte) {
	b.data = append(b.data, fingerprint...)
	b.end(Reference)
}

// Len is the number of fields given so far.
func (b *RowBuilder) Len() int { return len(b.ends) }

// Append writes the row to dst.
func (b *RowBuilder) Append(dst []byte) []byte {
	width := offsetWidth(len(b.data))
	dst = append(dst, byte(width))
	dst = binary.AppendUvarint(dst, uint64(len(b.ends)))
	dst = append(dst, b.states...)
	for _, e := range b.ends {
		switch width {
		case 1:
			dst = append(dst, byte(e))
		case 2:
			dst = binary.LittleEndian.AppendUint16(dst, uint16(e))
		default:
			dst = binary.LittleEndian.AppendUint32(dst, e)
		}
	}
	return append(dst, b.data...)
}

// size is the most bytes that Append writes.
func (b *RowBuilder) size() int {
	return 1 + binary.MaxVarintLen32 + len(b.states) + 4*len(b.ends) + len(b.data)
}

// Build is a new row of its own memory.
func (b *RowBuilder) Build() Row {
	return b.Append(make([]byte, 0, b.size()))
}

// Project appends to dst the row that holds the fields of r at the given indices, in that order.
// The builder is overwritten.
func (b *RowBuilder) Project(dst []byte, r Row, fields []int) []byte {
	b.Reset()
	for _, f := range fields {
		b.Value(r.At(f))
	}
	return b.Append(dst)
}
