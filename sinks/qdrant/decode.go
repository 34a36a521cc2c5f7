package qdrant

import (
	"fmt"
	"strconv"

	"github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/cdc"
)

// shape is what it takes to read the rows of a collection back.
type shape struct {
	reduced *cdc.Schema // the columns that lie in the payload
	from    []int       // by column of the collection: its place in reduced, or -1
	key     []cdc.Type
}

// shapeOf leaves out the vector and what is hidden.
func shapeOf(columns []cdc.Column, hidden, vector int, key []cdc.Column) shape {
	s := shape{reduced: &cdc.Schema{}}
	for i, c := range columns {
		if i == vector || i >= len(columns)-hidden {
			s.from = append(s.from, -1)
			continue
		}
		s.from = append(s.from, len(s.reduced.Columns))
		s.reduced.Columns = append(s.reduced.Columns, c)
	}
	for _, c := range key {
		s.key = append(s.key, c.Type)
	}
	return s
}

// row reads a payload: the columns of the collection, null where they are not in it.
func (s *shape) row(payload map[string]*qdrant.Value) (cdc.Row, error) {
	object := []byte{'{'}
	for i, c := range s.reduced.Columns {
		if i > 0 {
			object = append(object, ',')
		}
		object = append(cdc.AppendJSONString(object, c.Name), ':')
		object = appendJSON(object, payload[c.Name])
	}
	got, err := cdc.RowFromJSON(s.reduced, append(object, '}'))
	if err != nil {
		return nil, err
	}
	var b cdc.RowBuilder
	for _, at := range s.from {
		if at < 0 {
			b.Null()
		} else {
			b.Value(got.At(at))
		}
	}
	return b.Build(), nil
}

// keyOf reads the key of a row.
func (s *shape) keyOf(payload map[string]*qdrant.Value) (cdc.Key, error) {
	return cdc.ParseKeyText(s.key, payload["_key"].GetStringValue())
}

// appendJSON writes a value of a payload as JSON; none is null.
func appendJSON(dst []byte, v *qdrant.Value) []byte {
	switch v := v.GetKind().(type) {
	case *qdrant.Value_BoolValue:
		return strconv.AppendBool(dst, v.BoolValue)
	case *qdrant.Value_IntegerValue:
		return strconv.AppendInt(dst, v.IntegerValue, 10)
	case *qdrant.Value_DoubleValue:
		return strconv.AppendFloat(dst, v.DoubleValue, 'g', -1, 64)
	case *qdrant.Value_StringValue:
		return cdc.AppendJSONString(dst, v.StringValue)
	case *qdrant.Value_ListValue:
		dst = append(dst, '[')
		for i, item := range v.ListValue.GetValues() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, item)
		}
		return append(dst, ']')
	case *qdrant.Value_StructValue:
		dst = append(dst, '{')
		first := true
		for name, field := range v.StructValue.GetFields() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(cdc.AppendJSONString(dst, name), ':')
			dst = appendJSON(dst, field)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// numberAt reads a number below _freshet.
func numberAt(payload map[string]*qdrant.Value, name string) uint64 {
	return uint64(payload[inner].GetStructValue().GetFields()[name].GetIntegerValue())
}

// textAt reads a text below _freshet.
func textAt(payload map[string]*qdrant.Value, name string) string {
	return payload[inner].GetStructValue().GetFields()[name].GetStringValue()
}

// fieldType is how the payload of a column is indexed.
func fieldType(t cdc.Type) (qdrant.FieldType, bool) {
	if t.Kind == cdc.List && t.Elem != nil {
		t = *t.Elem
	}
	switch t.Kind {
	case cdc.String, cdc.Decimal, cdc.Bytes:
		return qdrant.FieldType_FieldTypeKeyword, true
	case cdc.Int64:
		return qdrant.FieldType_FieldTypeInteger, true
	case cdc.Float64:
		return qdrant.FieldType_FieldTypeFloat, true
	case cdc.Bool:
		return qdrant.FieldType_FieldTypeBool, true
	case cdc.Timestamp, cdc.Date:
		return qdrant.FieldType_FieldTypeDatetime, true
	case cdc.UUID:
		return qdrant.FieldType_FieldTypeUuid, true
	}
	return 0, false
}

// fieldName is the word for a type of index, as Qdrant's own documents write it.
func fieldName(t qdrant.FieldType) string {
	names := map[qdrant.FieldType]string{
		qdrant.FieldType_FieldTypeKeyword: "keyword", qdrant.FieldType_FieldTypeInteger: "integer", qdrant.FieldType_FieldTypeFloat: "float",
		qdrant.FieldType_FieldTypeBool: "bool", qdrant.FieldType_FieldTypeDatetime: "datetime", qdrant.FieldType_FieldTypeUuid: "uuid",
	}
	if name, ok := names[t]; ok {
		return name
	}
	return fmt.Sprint(t)
}
