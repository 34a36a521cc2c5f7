package arrowrow

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/freshet/freshet/cdc"
)

// SchemaFromArrow is the schema of the rows that records of an Arrow schema hold. The error is a
// *TypeError, or says what is wrong with the key that the metadata names.
func SchemaFromArrow(a *arrow.Schema) (*cdc.Schema, error) {
	s := &cdc.Schema{Columns: make([]cdc.Column, a.NumFields())}
	for i, f := range a.Fields() {
		t, err := typeFromArrow(f, f.Name)
		if err != nil {
			return nil, err
		}
		if s.Index(f.Name) >= 0 {
			return nil, fmt.Errorf("map column %s: two columns have this name", f.Name)
		}
		s.Columns[i] = cdc.Column{Name: f.Name, Type: t}
	}
	text, ok := a.Metadata().GetValue(metaKey)
	if !ok {
		return s, nil
	}
	var key []string
	if err := json.Unmarshal([]byte(text), &key); err != nil {
		return nil, fmt.Errorf("read the key of an Arrow schema: %w", err)
	}
	for _, name := range key {
		at := s.Index(name)
		if at < 0 || s.IsKey(at) || !cdc.Keyable(s.Columns[at].Type.Kind) {
			return nil, fmt.Errorf("read the key of an Arrow schema: %q cannot be part of it", name)
		}
		s.Key = append(s.Key, at)
	}
	return s, nil
}

// storage unwraps an extension type: what is stored, and the extension's name.
func storage(f arrow.Field) (arrow.DataType, string) {
	if e, ok := f.Type.(arrow.ExtensionType); ok {
		return e.StorageType(), e.ExtensionName()
	}
	name, _ := f.Metadata.GetValue(metaExtension)
	return f.Type, name
}

func typeFromArrow(f arrow.Field, path string) (cdc.Type, error) {
	dt, extension := storage(f)
	mark, _ := f.Metadata.GetValue(metaKind)
	t := cdc.Type{Nullable: f.Nullable}
	switch x := dt.(type) {
	case *arrow.BooleanType:
		t.Kind = cdc.Bool
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type,
		*arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type:
		t.Kind = cdc.Int64
	case *arrow.Float32Type, *arrow.Float64Type:
		t.Kind = cdc.Float64
	case arrow.DecimalType:
		if x.GetScale() > maxZeros || x.GetScale() < -maxZeros {
			return t, unknown(path, dt)
		}
		t.Kind = cdc.Decimal
	case *arrow.StringType, *arrow.LargeStringType:
		return textFromArrow(t, f, extension, mark, path)
	case *arrow.BinaryType, *arrow.LargeBinaryType:
		t.Kind = cdc.Bytes
	case *arrow.FixedSizeBinaryType:
		t.Kind = cdc.Bytes
		if extension == extensionUUID && x.ByteWidth == 16 {
			t.Kind = cdc.UUID
		}
	case *arrow.TimestampType:
		if x.TimeZone == "" {
			return t, &TypeError{Column: path, Type: x.String(), Hint: "give the column a time zone, such as UTC"}
		}
		t.Kind = cdc.Timestamp
	case *arrow.Date32Type:
		t.Kind = cdc.Date
	case *arrow.FixedSizeListType:
		if x.Elem().ID() != arrow.FLOAT32 || x.Len() < 1 {
			return t, unknown(path, dt)
		}
		t.Kind, t.Dims = cdc.Vector, int(x.Len())
	case *arrow.ListType:
		return listFromArrow(t, x.ElemField(), mark, path)
	case *arrow.LargeListType:
		return listFromArrow(t, x.ElemField(), mark, path)
	case *arrow.StructType:
		return structFromArrow(t, x, path)
	default:
		return t, unknown(path, dt)
	}
	return t, nil
}

func textFromArrow(t cdc.Type, f arrow.Field, extension, mark, path string) (cdc.Type, error) {
	switch {
	case extension == extensionJSON:
		t.Kind = cdc.JSON
	case mark == cdc.Decimal.String():
		t.Kind = cdc.Decimal
	default:
		t.Kind = cdc.String
		if text, ok := f.Metadata.GetValue(metaEnum); ok {
			if err := json.Unmarshal([]byte(text), &t.Enum); err != nil {
				return t, fmt.Errorf("map column %s: read the values of its enum: %w", path, err)
			}
		}
	}
	return t, nil
}

func listFromArrow(t cdc.Type, elem arrow.Field, mark, path string) (cdc.Type, error) {
	if mark == cdc.Vector.String() && elem.Type.ID() == arrow.FLOAT32 {
		t.Kind = cdc.Vector
		return t, nil
	}
	inner, err := typeFromArrow(elem, path+"[]")
	t.Kind, t.Elem = cdc.List, &inner
	return t, err
}

func structFromArrow(t cdc.Type, x *arrow.StructType, path string) (cdc.Type, error) {
	t.Kind = cdc.Struct
	for _, f := range x.Fields() {
		inner, err := typeFromArrow(f, path+"."+f.Name)
		if err != nil {
			return t, err
		}
		if slices.ContainsFunc(t.Fields, func(c cdc.Column) bool { return c.Name == f.Name }) {
			return t, fmt.Errorf("map column %s: two fields are named %q", path, f.Name)
		}
		t.Fields = append(t.Fields, cdc.Column{Name: f.Name, Type: inner})
	}
	return t, nil
}

func unknown(path string, dt arrow.DataType) error {
	return &TypeError{Column: path, Type: dt.String(), Hint: "cast the column to one of bool, int64, float64, decimal128, utf8, " +
		"binary, timestamp with a time zone, date32, fixed_size_list<float32>, list or struct"}
}
