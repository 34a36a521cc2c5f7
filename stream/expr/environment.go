package expr

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"github.com/freshet/freshet/cdc"
)

// rowVariable is the only variable of an expression.
const rowVariable = "row"

// rowType is the CEL name of the row's type; structs within it add to it. It is no identifier, so
// that no expression can make one.
const rowType = "@row"

// base is the environment without a schema: the standard library, which has no clock, and texts and
// numbers on top. It is built once, as that costs a millisecond, and extended per schema.
var base = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(cel.OptionalTypes(), ext.Strings(), ext.Math(), cel.EnableMacroCallTracking(),
		cel.CrossTypeNumericComparisons(true), cel.ASTValidators(cel.ValidateRegexLiterals(),
			cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals()))
})

// shape is a row or struct as CEL sees it.
type shape struct {
	name    string
	columns []cdc.Column
	fields  []*types.FieldType
	nested  []*shape // of struct columns, and of lists of them; else nil
	object  *types.Type
}

func (s *shape) index(name string) int {
	for i := range s.columns {
		if s.columns[i].Name == name {
			return i
		}
	}
	return -1
}

func (s *shape) names() []string {
	names := make([]string, len(s.columns))
	for i, c := range s.columns {
		names[i] = c.Name
	}
	return names
}

// shapes declares the types of a schema to CEL.
type shapes struct {
	types.Provider
	byName map[string]*shape
}

func newShapes(p types.Provider, in *cdc.Schema) *shapes {
	s := &shapes{Provider: p, byName: map[string]*shape{}}
	s.add(rowType, in.Columns)
	return s
}

func (s *shapes) row() *shape { return s.byName[rowType] }

func (s *shapes) add(name string, columns []cdc.Column) *shape {
	sh := &shape{name: name, columns: columns, object: types.NewObjectType(name),
		fields: make([]*types.FieldType, len(columns)), nested: make([]*shape, len(columns))}
	s.byName[name] = sh
	for i, c := range columns {
		inner := c.Type
		for inner.Kind == cdc.List && inner.Elem != nil {
			inner = *inner.Elem
		}
		if inner.Kind == cdc.Struct {
			sh.nested[i] = s.add(name+"."+c.Name, inner.Fields)
		}
		sh.fields[i] = &types.FieldType{
			Type: nullable(celType(c.Type, sh.nested[i])),
			IsSet: func(target any) bool {
				v, ok := target.(*view)
				return ok && v.row.At(i).State != cdc.Null
			},
			GetFrom: func(target any) (any, error) {
				v, ok := target.(*view)
				if !ok {
					return nil, fmt.Errorf("read %s: not a row", c.Name)
				}
				return v.field(i)
			},
		}
	}
	return sh
}

// nullable lets every column be compared with null: whether it can be null is told by nullness, which
// follows the guards that CEL's own types know nothing of.
func nullable(t *types.Type) *types.Type {
	switch t.Kind() {
	case types.DynKind, types.StructKind:
		return t
	}
	return types.NewNullableType(t)
}

func celType(t cdc.Type, nested *shape) *types.Type {
	switch t.Kind {
	case cdc.Bool:
		return types.BoolType
	case cdc.Int64:
		return types.IntType
	case cdc.Float64:
		return types.DoubleType
	case cdc.String, cdc.Decimal, cdc.UUID:
		return types.StringType
	case cdc.Bytes:
		return types.BytesType
	case cdc.Timestamp, cdc.Date:
		return types.TimestampType
	case cdc.Vector:
		return types.NewListType(types.DoubleType)
	case cdc.List:
		elem := celType(*t.Elem, nested)
		if t.Elem.Nullable {
			elem = nullable(elem)
		}
		return types.NewListType(elem)
	case cdc.Struct:
		return nested.object
	}
	return types.DynType
}

// FindStructType implements types.Provider.
func (s *shapes) FindStructType(name string) (*types.Type, bool) {
	if sh, ok := s.byName[name]; ok {
		return types.NewTypeTypeWithParam(sh.object), true
	}
	return s.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (s *shapes) FindStructFieldNames(name string) ([]string, bool) {
	if sh, ok := s.byName[name]; ok {
		return sh.names(), true
	}
	return s.Provider.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (s *shapes) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	sh, ok := s.byName[name]
	if !ok {
		return s.Provider.FindStructFieldType(name, field)
	}
	if i := sh.index(field); i >= 0 {
		return sh.fields[i], true
	}
	return nil, false
}

// environment is the base with the row's types.
func environment(in *cdc.Schema) (*cel.Env, *shapes, error) {
	b, err := base()
	if err != nil {
		return nil, nil, fmt.Errorf("build expression environment: %w", err)
	}
	s := newShapes(b.CELTypeProvider(), in)
	env, err := b.Extend(cel.CustomTypeProvider(s), cel.Variable(rowVariable, s.row().object))
	if err != nil {
		return nil, nil, fmt.Errorf("build expression environment: %w", err)
	}
	return env, s, nil
}
