package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/freshet/freshet/cdc"
)

// view is a row or struct as a CEL value; fields are decoded when they are asked for, and texts share
// the row's memory.
type view struct {
	row   cdc.Row
	shape *shape
}

// Type implements ref.Val.
func (v *view) Type() ref.Type { return v.shape.object }

// Value implements ref.Val; field accessors are handed it.
func (v *view) Value() any { return v }

// ConvertToNative implements ref.Val.
func (v *view) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("convert a row to %s: not possible", t)
}

// ConvertToType implements ref.Val.
func (v *view) ConvertToType(t ref.Type) ref.Val {
	switch t.TypeName() {
	case v.shape.name:
		return v
	case types.TypeType.TypeName():
		return v.shape.object
	}
	return types.NewErr("a row cannot become a %s", t.TypeName())
}

// Equal implements ref.Val: rows of one shape are equal when their bytes are.
func (v *view) Equal(other ref.Val) ref.Val {
	o, ok := other.(*view)
	return types.Bool(ok && o.shape == v.shape && bytes.Equal(o.row, v.row))
}

// Get implements traits.Indexer, for a row that passes through dyn.
func (v *view) Get(index ref.Val) ref.Val {
	i, fault := v.place(index)
	if fault != nil {
		return fault
	}
	x, err := v.field(i)
	if err != nil {
		return types.WrapErr(err)
	}
	return x
}

// IsSet implements traits.FieldTester.
func (v *view) IsSet(field ref.Val) ref.Val {
	i, fault := v.place(field)
	if fault != nil {
		return fault
	}
	return types.Bool(v.row.At(i).State != cdc.Null)
}

// place is the column that a value names, or else CEL's word that there is none.
func (v *view) place(name ref.Val) (int, ref.Val) {
	text, ok := name.(types.String)
	if !ok {
		return 0, types.NewErr("a row has no field %v", name)
	}
	i := v.shape.index(string(text))
	if i < 0 {
		return 0, types.NewErr("a row has no field %q", string(text))
	}
	return i, nil
}

// field decodes the field at i.
func (v *view) field(i int) (ref.Val, error) {
	c := &v.shape.columns[i]
	x, err := value(c.Type, v.shape.nested[i], v.row.At(i))
	if err != nil {
		return nil, fmt.Errorf("read row.%s: %w", c.Name, err)
	}
	return x, nil
}

func value(t cdc.Type, nested *shape, v cdc.Value) (ref.Val, error) {
	switch v.State {
	case cdc.Null:
		return types.NullValue, nil
	case cdc.Unchanged:
		return nil, fmt.Errorf("the source did not send the value")
	case cdc.Reference:
		return nil, fmt.Errorf("the value is stored elsewhere")
	}
	switch t.Kind {
	case cdc.Bool:
		return types.Bool(v.Bool()), nil
	case cdc.Int64:
		return types.Int(v.Int64()), nil
	case cdc.Float64:
		return types.Double(v.Float64()), nil
	case cdc.String, cdc.Decimal:
		return types.String(v.TextView()), nil
	case cdc.UUID:
		return types.String(cdc.FormatUUID(v.UUID())), nil
	case cdc.Bytes:
		return types.Bytes(v.Raw), nil
	case cdc.Timestamp:
		return types.Timestamp{Time: v.Time()}, nil
	case cdc.Date:
		return types.Timestamp{Time: v.Date()}, nil
	case cdc.Vector:
		return vectorValue(v), nil
	case cdc.List:
		return listValue(t, nested, v.Row())
	case cdc.Struct:
		return &view{row: v.Row(), shape: nested}, nil
	case cdc.JSON:
		return jsonValue(v.Raw)
	}
	return nil, fmt.Errorf("%s cannot be read by expressions", t)
}

func vectorValue(v cdc.Value) ref.Val {
	x := v.AppendVector(make([]float32, 0, len(v.Raw)/4))
	out := make([]ref.Val, len(x))
	for i, f := range x {
		out[i] = types.Double(f)
	}
	return types.NewRefValList(types.DefaultTypeAdapter, out)
}

func listValue(t cdc.Type, nested *shape, r cdc.Row) (ref.Val, error) {
	out := make([]ref.Val, r.Len())
	for i := range out {
		x, err := value(*t.Elem, nested, r.At(i))
		if err != nil {
			return nil, err
		}
		out[i] = x
	}
	return types.NewRefValList(types.DefaultTypeAdapter, out), nil
}

// jsonValue reads whole numbers as int, so that identifiers keep all their digits.
func jsonValue(text []byte) (ref.Val, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var x any
	if err := d.Decode(&x); err != nil {
		return nil, fmt.Errorf("parse json: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("parse json: more than one value")
	}
	return types.DefaultTypeAdapter.NativeToValue(numbers(x)), nil
}

func numbers(x any) any {
	switch x := x.(type) {
	case json.Number:
		if !strings.ContainsAny(x.String(), ".eE") {
			if n, err := x.Int64(); err == nil {
				return n
			}
		}
		f, err := x.Float64()
		if err != nil {
			return x.String()
		}
		return f
	case map[string]any:
		for k, v := range x {
			x[k] = numbers(v)
		}
	case []any:
		for i, v := range x {
			x[i] = numbers(v)
		}
	}
	return x
}

// activation gives CEL the one variable. It is reused, with the memory for a text that is put together.
type activation struct {
	view view
	text []byte
}

// ResolveName implements interpreter.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	if name == rowVariable {
		return &a.view, true
	}
	return nil, false
}

// Parent implements interpreter.Activation.
func (a *activation) Parent() interpreter.Activation { return nil }
