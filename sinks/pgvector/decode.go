package pgvector

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/freshet/freshet/cdc"
)

// selected is how a column is read back: an expression, and whether its result comes in binary form.
type selected struct {
	sql    string
	format int16 // 0 text, 1 binary
}

// selectOf reads a column in one form for all types that its values may be stored in. Texts are taken as the server
// prints them, without a cast: a cast would cut the blanks off a character(n), and such a value may be a key.
func selectOf(c *column) selected {
	name := quote(c.Name)
	switch t := &c.Type; {
	case canonical(t.Kind) != "":
		return selected{name + "::" + canonical(t.Kind), 1}
	case t.Kind == cdc.Vector:
		return selected{"NULL::text", 0}
	case isArray(t) && canonical(t.Elem.Kind) != "":
		return selected{name + "::" + canonical(t.Elem.Kind) + "[]", 1}
	case isArray(t):
		return selected{name + "::text[]", 1}
	case t.Kind == cdc.List || t.Kind == cdc.Struct:
		return selected{"to_jsonb(" + name + ")::text", 0}
	}
	return selected{name, 0}
}

// canonical is the type that values of a kind are read as, in binary form; empty for those read as text.
func canonical(k cdc.Kind) string {
	return map[cdc.Kind]string{cdc.Bool: "boolean", cdc.Int64: "int8", cdc.Float64: "float8", cdc.Bytes: "bytea", cdc.Timestamp: "timestamptz", cdc.Date: "date", cdc.UUID: "uuid"}[k]
}

// isArray reports whether a list is stored as an array of scalars, and not as JSON.
func isArray(t *cdc.Type) bool {
	return t.Kind == cdc.List && t.Elem != nil && t.Elem.Kind != cdc.List && t.Elem.Kind != cdc.Struct && t.Elem.Kind != cdc.Vector
}

// selectList joins the expressions of columns.
func (t *table) selectList(columns []int) (sql string, formats []int16) {
	parts := make([]string, len(columns))
	for i, c := range columns {
		s := selectOf(&t.columns[c])
		parts[i] = s.sql
		formats = append(formats, s.format)
	}
	return strings.Join(parts, ", "), formats
}

// decodeInto adds a value that was read with selectOf to a row.
func decodeInto(b *cdc.RowBuilder, t *cdc.Type, raw []byte) error {
	if raw == nil {
		b.Null()
		return nil
	}
	size := map[cdc.Kind]int{cdc.Bool: 1, cdc.Int64: 8, cdc.Float64: 8, cdc.Timestamp: 8, cdc.Date: 4, cdc.UUID: 16}
	if want, ok := size[t.Kind]; ok && len(raw) != want {
		return fmt.Errorf("read a %s: %d bytes", t.Kind, len(raw))
	}
	switch t.Kind {
	case cdc.Bool:
		b.Bool(raw[0] != 0)
	case cdc.Int64:
		b.Int64(int64(binary.BigEndian.Uint64(raw)))
	case cdc.Float64:
		b.Float64(math.Float64frombits(binary.BigEndian.Uint64(raw)))
	case cdc.Timestamp:
		micros := int64(binary.BigEndian.Uint64(raw))
		if micros != math.MaxInt64 && micros != math.MinInt64 {
			micros += epochMicros
		}
		b.Int64(micros)
	case cdc.Date:
		days := int32(binary.BigEndian.Uint32(raw))
		if days != math.MaxInt32 && days != math.MinInt32 {
			days += epochDays
		}
		b.Days(days)
	case cdc.List, cdc.Struct:
		if isArray(t) {
			return decodeArray(b, t.Elem, raw)
		}
		object, err := json.Marshal(map[string]json.RawMessage{"v": raw})
		if err != nil {
			return err
		}
		row, err := cdc.RowFromJSON(&cdc.Schema{Columns: []cdc.Column{{Name: "v", Type: *t}}}, object)
		if err != nil {
			return err
		}
		b.Value(row.At(0))
	default:
		b.Bytes(raw)
	}
	return nil
}

// errArray is an array that is cut short, or has more dimensions than a list.
var errArray = errors.New("read an array: it is not a list")

// decodeArray adds a list that was read in the binary form of an array: the number of dimensions, whether there are
// nulls, the type of the elements; of the dimension its length and lower bound; then each element with its length.
func decodeArray(b *cdc.RowBuilder, elem *cdc.Type, raw []byte) error {
	var inner cdc.RowBuilder
	if len(raw) < 12 {
		return errArray
	}
	dimensions := binary.BigEndian.Uint32(raw)
	if raw = raw[12:]; dimensions > 0 {
		if dimensions > 1 || len(raw) < 8 {
			return errArray
		}
		raw = raw[8:]
	}
	for len(raw) > 0 {
		if len(raw) < 4 {
			return errArray
		}
		size := int32(binary.BigEndian.Uint32(raw))
		raw = raw[4:]
		if size < 0 {
			inner.Null()
			continue
		}
		if int(size) > len(raw) {
			return errArray
		}
		if err := decodeInto(&inner, elem, raw[:size:size]); err != nil {
			return err
		}
		raw = raw[size:]
	}
	b.Row(inner.Build())
	return nil
}

// decodeKey makes a key of the values of key columns.
func (t *table) decodeKey(raw [][]byte) (cdc.Key, error) {
	var b cdc.RowBuilder
	for i, k := range t.key {
		if err := decodeInto(&b, &t.columns[k].Type, raw[i]); err != nil {
			return nil, fmt.Errorf("read key column %s of %s: %w", t.columns[k].Name, t.quoted(), err)
		}
	}
	row := b.Build()
	var key cdc.Key
	for i, k := range t.key {
		var err error
		if key, err = cdc.AppendKeyValue(key, t.columns[k].Type.Kind, row.At(i)); err != nil {
			return nil, fmt.Errorf("read key column %s of %s: %w", t.columns[k].Name, t.quoted(), err)
		}
	}
	return key, nil
}
