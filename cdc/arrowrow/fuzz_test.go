package arrowrow_test

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/arrowrow"
)

// scrambled builds arrays whose buffers, lengths and offsets come from a fuzzer.
type scrambled struct{ data []byte }

func (s *scrambled) byte() byte {
	if len(s.data) == 0 {
		return 0
	}
	c := s.data[0]
	s.data = s.data[1:]
	return c
}

func (s *scrambled) buffer() *memory.Buffer {
	n := min(int(s.byte()), len(s.data))
	b := memory.NewBufferBytes(s.data[:n:n])
	s.data = s.data[n:]
	return b
}

// shapes are types of every way in which Arrow lays values out.
func shapes() []arrow.DataType {
	float := arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Float32)
	pair := arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int16, Nullable: true}, arrow.Field{Name: "b", Type: arrow.BinaryTypes.String, Nullable: true})
	return []arrow.DataType{arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Uint64, arrow.BinaryTypes.String, arrow.BinaryTypes.LargeBinary,
		&arrow.FixedSizeBinaryType{ByteWidth: 3}, &arrow.Decimal256Type{Precision: 60, Scale: 4}, arrow.FixedWidthTypes.Timestamp_ns, float, pair,
		arrow.ListOf(arrow.PrimitiveTypes.Int64), arrow.LargeListOf(pair), arrow.ListOf(float)}
}

func (s *scrambled) array(dt arrow.DataType, depth int) arrow.ArrayData {
	if s.byte() == 255 { // what its parent does not expect
		dt = arrow.PrimitiveTypes.Int8
	}
	buffers := []*memory.Buffer{nil, s.buffer()}
	if s.byte()&1 == 1 {
		buffers[0] = s.buffer()
	}
	var children []arrow.ArrayData
	if nested, ok := dt.(arrow.NestedType); ok && depth > 0 {
		for _, f := range nested.Fields() {
			children = append(children, s.array(f.Type, depth-1))
		}
	} else {
		buffers = append(buffers, s.buffer())
	}
	nulls := int(s.byte()) - 1
	return array.NewData(dt, int(s.byte()), buffers, children, nulls, int(s.byte()&3))
}

// FuzzDamagedRecords: whatever a record's buffers hold, it is refused, or its rows are well formed or
// refused one by one. Nothing panics and nothing outside of the buffers is read.
func FuzzDamagedRecords(f *testing.F) {
	f.Add(uint8(2), []byte{0, 8, 0, 0, 0, 0, 2, 0, 0, 0, 1, 1, 1, 2, 'h', 'i', 0, 1, 0})
	f.Add(uint8(2), []byte{0, 8, 9, 0, 0, 0, 2, 0, 0, 0, 0, 2, 'h', 'i', 1, 1, 0})
	f.Add(uint8(8), []byte{0, 0, 0, 0, 4, 1, 0, 2, 0, 0, 0, 1, 2, 0})
	f.Fuzz(func(t *testing.T, shape uint8, data []byte) {
		s := &scrambled{data: data}
		all := shapes()
		rec := assemble(s.array(all[int(shape)%len(all)], 3))
		if rec == nil {
			return // Arrow itself refuses it
		}
		r, err := arrowrow.NewReader(rec.Schema())
		if err != nil {
			return
		}
		defer r.Release()
		if r.Load(rec) != nil {
			return
		}
		var b cdc.RowBuilder
		for i := range r.Len() {
			if r.Read(&b, i) == nil {
				if err := cdc.CheckRow(b.Build()); err != nil {
					t.Fatalf("row %d of %s: %v", i, rec.Schema(), err)
				}
			}
		}
	})
}

// assemble makes a record of what Arrow lets pass; nil where Arrow panics.
func assemble(d arrow.ArrayData) (rec arrow.Record) {
	defer func() {
		if recover() != nil {
			rec = nil
		}
	}()
	a := array.MakeFromData(d)
	return array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "x", Type: a.DataType(), Nullable: true}}, nil), []arrow.Array{a}, int64(a.Len()))
}
