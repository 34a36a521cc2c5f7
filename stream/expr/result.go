package expr

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/freshet/freshet/cdc"
)

// resultType is the column type for CEL's type. ok is false for types that no column has: uint,
// duration, optional and the like.
func resultType(t *types.Type, n nullness, s *shapes) (cdc.Type, bool) {
	out := cdc.Type{Nullable: n.value}
	switch t.Kind() {
	case types.BoolKind:
		out.Kind = cdc.Bool
	case types.IntKind:
		out.Kind = cdc.Int64
	case types.DoubleKind:
		out.Kind = cdc.Float64
	case types.StringKind:
		out.Kind = cdc.String
	case types.BytesKind:
		out.Kind = cdc.Bytes
	case types.TimestampKind:
		out.Kind = cdc.Timestamp
	case types.DynKind, types.MapKind:
		// A JSON null becomes the column's null, so that null has one form.
		out.Kind, out.Nullable = cdc.JSON, n.value || t.Kind() == types.DynKind
	case types.ListKind:
		params := t.Parameters()
		if len(params) == 0 || params[0].Kind() == types.TypeParamKind {
			return out, false
		}
		elem, ok := resultType(params[0], nullness{value: n.element}, s)
		if !ok {
			return out, false
		}
		out.Kind, out.Elem = cdc.List, &elem
	case types.StructKind:
		sh := s.byName[t.TypeName()]
		if sh == nil {
			return out, false
		}
		out.Kind, out.Fields = cdc.Struct, sh.columns
	default:
		return out, false
	}
	return out, true
}

// appendResult adds a value as a field of the type.
func appendResult(b *cdc.RowBuilder, t cdc.Type, v ref.Val) error {
	if v == types.NullValue {
		if !t.Nullable {
			return fmt.Errorf("the result is null, and %s does not allow it", t)
		}
		b.Null()
		return nil
	}
	switch x := v.(type) {
	case types.Bool:
		if t.Kind == cdc.Bool {
			b.Bool(bool(x))
			return nil
		}
	case types.Int:
		if t.Kind == cdc.Int64 {
			b.Int64(int64(x))
			return nil
		}
	case types.Double:
		if t.Kind == cdc.Float64 {
			b.Float64(float64(x))
			return nil
		}
	case types.String:
		if t.Kind == cdc.String {
			b.Text(string(x))
			return nil
		}
	case types.Bytes:
		if t.Kind == cdc.Bytes {
			b.Bytes([]byte(x))
			return nil
		}
	case types.Timestamp:
		if t.Kind == cdc.Timestamp {
			b.Time(x.Time)
			return nil
		}
	case *view:
		if t.Kind == cdc.Struct {
			b.Row(x.row)
			return nil
		}
	case traits.Lister:
		if t.Kind == cdc.List {
			return appendList(b, *t.Elem, x)
		}
	}
	if t.Kind == cdc.JSON {
		text, err := appendJSON(nil, v)
		if err != nil {
			return err
		}
		b.Bytes(text)
		return nil
	}
	return fmt.Errorf("the result is a %s, not a %s", v.Type().TypeName(), t)
}

func appendList(b *cdc.RowBuilder, elem cdc.Type, list traits.Lister) error {
	var inner cdc.RowBuilder
	for it := list.Iterator(); it.HasNext() == types.True; {
		if err := appendResult(&inner, elem, it.Next()); err != nil {
			return err
		}
	}
	b.Row(inner.Build())
	return nil
}

// appendJSON writes a value canonically: the members of an object in order, so that equal values have
// equal bytes.
func appendJSON(dst []byte, v ref.Val) ([]byte, error) {
	switch x := v.(type) {
	case types.Null:
		return append(dst, "null"...), nil
	case types.Bool:
		return fmt.Append(dst, bool(x)), nil
	case types.Int:
		return fmt.Append(dst, int64(x)), nil
	case types.Uint:
		return fmt.Append(dst, uint64(x)), nil
	case types.Double:
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return append(dst, "null"...), nil
		}
		text, err := json.Marshal(float64(x))
		return append(dst, text...), err
	case types.String:
		return cdc.AppendJSONString(dst, string(x)), nil
	case types.Bytes:
		return cdc.AppendJSONString(dst, base64.StdEncoding.EncodeToString(x)), nil
	case types.Timestamp:
		return cdc.AppendJSONString(dst, x.UTC().Format(time.RFC3339Nano)), nil
	case *view:
		return append(cdc.AppendFieldsJSON(append(dst, '{'), x.shape.columns, x.row), '}'), nil
	case traits.Lister:
		dst = append(dst, '[')
		for it, first := x.Iterator(), true; it.HasNext() == types.True; first = false {
			if !first {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendJSON(dst, it.Next()); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case traits.Mapper:
		return appendObject(dst, x)
	}
	return dst, fmt.Errorf("a %s cannot be written as json", v.Type().TypeName())
}

func appendObject(dst []byte, m traits.Mapper) ([]byte, error) {
	type member struct {
		name  string
		value ref.Val
	}
	var members []member
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.ConvertToType(types.StringType).(types.String)
		if !ok {
			return dst, fmt.Errorf("a %s cannot name a member of a json object", key.Type().TypeName())
		}
		members = append(members, member{string(name), m.Get(key)})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	dst = append(dst, '{')
	for i, x := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(cdc.AppendJSONString(dst, x.name), ':')
		var err error
		if dst, err = appendJSON(dst, x.value); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}
