package arrowrow

import (
	"encoding/json"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/freshet/freshet/cdc"
)

// Metadata keys. The first two are Arrow's own, for readers that know the extension.
const (
	metaExtension     = "ARROW:extension:name"
	metaExtensionData = "ARROW:extension:metadata"
	metaKind          = "freshet.kind" // where the Arrow type does not tell it
	metaEnum          = "freshet.enum" // JSON list
	metaKey           = "freshet.key"  // of a schema: JSON list of column names
)

const (
	extensionUUID = "arrow.uuid"
	extensionJSON = "arrow.json"
)

// Options say how rows are written. The zero value is ready to use.
type Options struct {
	// Decimals gives the precision of decimal columns, by name, which are then written as decimal128 (up to
	// 38 digits) or decimal256 (up to 76). Other decimals are written as text.
	Decimals map[string]Precision
}

// Precision says how many digits a decimal has, Scale of them behind the point.
type Precision struct{ Digits, Scale int32 }

// TypeError is a type that has no counterpart on the other side.
type TypeError struct {
	Column string
	Type   string // as its own side writes it
	Hint   string
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("map column %s: no counterpart of %s", e.Column, e.Type)
}

// SchemaToArrow is the Arrow schema of rows. The error is a *TypeError, or says which of the options
// does not fit.
func SchemaToArrow(s *cdc.Schema, o Options) (*arrow.Schema, error) {
	for name, p := range o.Decimals {
		at := s.Index(name)
		switch {
		case at < 0 || s.Columns[at].Type.Kind != cdc.Decimal:
			return nil, fmt.Errorf("map column %s: a precision is given, and there is no decimal column of that name", name)
		case p.Digits < 1 || p.Digits > 76 || p.Scale < 0 || p.Scale > p.Digits:
			return nil, fmt.Errorf("map column %s: %d digits with %d behind the point are no decimal of Arrow", name, p.Digits, p.Scale)
		}
	}
	fields := make([]arrow.Field, len(s.Columns))
	for i, c := range s.Columns {
		var err error
		if fields[i], err = fieldToArrow(c, c.Name); err != nil {
			return nil, err
		}
		if p, ok := o.Decimals[c.Name]; ok {
			fields[i].Type, fields[i].Metadata = decimalType(p), arrow.Metadata{}
		}
	}
	if len(s.Key) == 0 {
		return arrow.NewSchema(fields, nil), nil
	}
	key := make([]string, len(s.Key))
	for i, k := range s.Key {
		key[i] = s.Columns[k].Name
	}
	meta := arrow.NewMetadata([]string{metaKey}, []string{jsonList(key)})
	return arrow.NewSchema(fields, &meta), nil
}

func decimalType(p Precision) arrow.DataType {
	if p.Digits <= 38 {
		return &arrow.Decimal128Type{Precision: p.Digits, Scale: p.Scale}
	}
	return &arrow.Decimal256Type{Precision: p.Digits, Scale: p.Scale}
}

func jsonList(texts []string) string {
	b, err := json.Marshal(texts)
	if err != nil {
		panic(err) // a list of strings always has a JSON form
	}
	return string(b)
}

// fieldToArrow maps one column; path names it in faults.
func fieldToArrow(c cdc.Column, path string) (arrow.Field, error) {
	f := arrow.Field{Name: c.Name, Nullable: c.Type.Nullable}
	mark := func(keysAndValues ...string) {
		var keys, values []string
		for i := 0; i < len(keysAndValues); i += 2 {
			keys, values = append(keys, keysAndValues[i]), append(values, keysAndValues[i+1])
		}
		f.Metadata = arrow.NewMetadata(keys, values)
	}
	switch c.Type.Kind {
	case cdc.Bool:
		f.Type = arrow.FixedWidthTypes.Boolean
	case cdc.Int64:
		f.Type = arrow.PrimitiveTypes.Int64
	case cdc.Float64:
		f.Type = arrow.PrimitiveTypes.Float64
	case cdc.Decimal:
		f.Type = arrow.BinaryTypes.String
		mark(metaKind, cdc.Decimal.String())
	case cdc.String:
		f.Type = arrow.BinaryTypes.String
		if len(c.Type.Enum) > 0 {
			mark(metaEnum, jsonList(c.Type.Enum))
		}
	case cdc.Bytes:
		f.Type = arrow.BinaryTypes.Binary
	case cdc.Timestamp:
		f.Type = arrow.FixedWidthTypes.Timestamp_us
	case cdc.Date:
		f.Type = arrow.FixedWidthTypes.Date32
	case cdc.UUID:
		f.Type = &arrow.FixedSizeBinaryType{ByteWidth: 16}
		mark(metaExtension, extensionUUID, metaExtensionData, "")
	case cdc.JSON:
		f.Type = arrow.BinaryTypes.String
		mark(metaExtension, extensionJSON, metaExtensionData, "")
	case cdc.Vector:
		if c.Type.Dims > 0 {
			f.Type = arrow.FixedSizeListOfNonNullable(int32(c.Type.Dims), arrow.PrimitiveTypes.Float32)
			break
		}
		f.Type = arrow.ListOfNonNullable(arrow.PrimitiveTypes.Float32)
		mark(metaKind, cdc.Vector.String())
	case cdc.List:
		if c.Type.Elem == nil {
			return f, untyped(path, c.Type)
		}
		elem, err := fieldToArrow(cdc.Column{Name: "item", Type: *c.Type.Elem}, path+"[]")
		if err != nil {
			return f, err
		}
		f.Type = arrow.ListOfField(elem)
	case cdc.Struct:
		fields := make([]arrow.Field, len(c.Type.Fields))
		for i, inner := range c.Type.Fields {
			var err error
			if fields[i], err = fieldToArrow(inner, path+"."+inner.Name); err != nil {
				return f, err
			}
		}
		f.Type = arrow.StructOf(fields...)
	default:
		return f, untyped(path, c.Type)
	}
	return f, nil
}

func untyped(path string, t cdc.Type) error {
	return &TypeError{Column: path, Type: t.String(), Hint: "give the column a type"}
}
