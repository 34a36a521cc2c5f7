package arrowrow

import (
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
)

// maxElements bounds a list, which is a row of its own (see cdc.CheckRow).
const maxElements = 1 << 20

var errDamaged = errors.New("the record is damaged")

// check makes sure that every value of an array lies inside its buffers, so that reading it cannot
// panic. Offsets are only looked at between the array's own bounds.
func check(d arrow.ArrayData) error {
	if e, ok := d.DataType().(arrow.ExtensionType); ok {
		return checkAs(e.StorageType(), d)
	}
	return checkAs(d.DataType(), d)
}

func checkAs(dt arrow.DataType, d arrow.ArrayData) error {
	if d.Len() < 0 || d.Offset() < 0 {
		return fmt.Errorf("%w: length %d at offset %d", errDamaged, d.Len(), d.Offset())
	}
	end := int64(d.Len()) + int64(d.Offset())
	if n := bufferLen(d, 0); n > 0 || d.NullN() > 0 {
		if n < bitutil.BytesForBits(end) {
			return fmt.Errorf("%w: %d bytes of validity for %d values", errDamaged, n, end)
		}
	}
	switch x := dt.(type) {
	case *arrow.StringType, *arrow.BinaryType:
		return checkOffsets[int32](d, end, bufferLen(d, 2), arrow.Int32Traits.CastFromBytes)
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		return checkOffsets[int64](d, end, bufferLen(d, 2), arrow.Int64Traits.CastFromBytes)
	case *arrow.ListType:
		return checkList[int32](d, end, x.Elem(), arrow.Int32Traits.CastFromBytes)
	case *arrow.LargeListType:
		return checkList[int64](d, end, x.Elem(), arrow.Int64Traits.CastFromBytes)
	case *arrow.FixedSizeListType:
		return checkChildren(d, end*int64(x.Len()), x.Elem())
	case *arrow.StructType:
		types := make([]arrow.DataType, x.NumFields())
		for i := range types {
			types[i] = x.Field(i).Type
		}
		return checkChildren(d, end, types...)
	case arrow.FixedWidthDataType:
		want := bitutil.BytesForBits(end * int64(x.BitWidth()))
		if n := bufferLen(d, 1); n < want {
			return fmt.Errorf("%w: %d bytes for %d values of %s", errDamaged, n, end, dt)
		}
		return nil
	}
	return fmt.Errorf("%w: %s", errDamaged, dt)
}

func bufferLen(d arrow.ArrayData, i int) int64 {
	if b := d.Buffers(); i < len(b) && b[i] != nil {
		return int64(b[i].Len())
	}
	return 0
}

// checkOffsets makes sure that offsets do not fall and end within n.
func checkOffsets[O int32 | int64](d arrow.ArrayData, end, n int64, cast func([]byte) []O) error {
	if d.Len() == 0 {
		return nil
	}
	var zero O
	width := int64(4)
	if _, large := any(zero).(int64); large {
		width = 8
	}
	if have := bufferLen(d, 1); have < (end+1)*width {
		return fmt.Errorf("%w: %d bytes of offsets for %d values", errDamaged, have, end)
	}
	offsets := cast(d.Buffers()[1].Bytes())[d.Offset() : end+1]
	last := offsets[0]
	for _, o := range offsets {
		if o < last || int64(o) > n {
			return fmt.Errorf("%w: offset %d after %d of %d", errDamaged, o, last, n)
		}
		last = o
	}
	if offsets[0] < 0 {
		return fmt.Errorf("%w: offset %d", errDamaged, offsets[0])
	}
	return nil
}

func checkList[O int32 | int64](d arrow.ArrayData, end int64, elem arrow.DataType, cast func([]byte) []O) error {
	if len(d.Children()) != 1 {
		return fmt.Errorf("%w: %d children of a list", errDamaged, len(d.Children()))
	}
	if err := checkOffsets(d, end, int64(d.Children()[0].Len()), cast); err != nil {
		return err
	}
	return checkChild(d.Children()[0], elem)
}

// checkChild checks a child, which must be what its parent's type says.
func checkChild(c arrow.ArrayData, want arrow.DataType) error {
	if !arrow.TypeEqual(c.DataType(), want) {
		return fmt.Errorf("%w: a child is %s instead of %s", errDamaged, c.DataType(), want)
	}
	return check(c)
}

// checkChildren makes sure that there are children of the given types with at least n values each.
func checkChildren(d arrow.ArrayData, n int64, types ...arrow.DataType) error {
	if len(d.Children()) != len(types) {
		return fmt.Errorf("%w: %d children instead of %d", errDamaged, len(d.Children()), len(types))
	}
	for i, c := range d.Children() {
		if int64(c.Len()) < n {
			return fmt.Errorf("%w: a child of %d values for %d", errDamaged, c.Len(), n)
		}
		if err := checkChild(c, types[i]); err != nil {
			return err
		}
	}
	return nil
}
