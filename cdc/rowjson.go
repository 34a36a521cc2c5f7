package cdc

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// RowFromJSON reads an object into a row of the schema. Columns that the object lacks are null where
// they may be; an unknown member is an error that names it.
func RowFromJSON(s *Schema, object []byte) (Row, error) {
	var b RowBuilder
	if err := addObject(&b, s.Columns, object); err != nil {
		return nil, err
	}
	return b.Build(), nil
}

func addObject(b *RowBuilder, columns []Column, object []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return fmt.Errorf("read row: %w", err)
	}
	if members == nil {
		return errors.New("read row: null is no object")
	}
	for _, c := range columns {
		raw, ok := members[c.Name]
		delete(members, c.Name)
		if !ok || string(raw) == "null" {
			if !c.Type.Nullable {
				return fmt.Errorf("read column %s: no value, and %s does not allow null", c.Name, c.Type)
			}
			b.Null()
			continue
		}
		if err := addJSON(b, c.Type, raw); err != nil {
			return fmt.Errorf("read column %s: %w", c.Name, err)
		}
	}
	if len(members) > 0 {
		return fmt.Errorf("read row: no column %q", slices.Min(slices.Collect(maps.Keys(members))))
	}
	return nil
}

func addJSON(b *RowBuilder, t Type, raw json.RawMessage) error {
	switch t.Kind {
	case JSON:
		b.Bytes(raw)
		return nil
	case Vector:
		return addVector(b, t, raw)
	case List:
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return fmt.Errorf("read %s: %w", t, err)
		}
		var inner RowBuilder
		for _, item := range items {
			if string(item) == "null" && t.Elem.Nullable {
				inner.Null()
			} else if string(item) == "null" {
				return fmt.Errorf("read %s: an element is null", t)
			} else if err := addJSON(&inner, *t.Elem, item); err != nil {
				return err
			}
		}
		b.Row(inner.Build())
		return nil
	case Struct:
		var inner RowBuilder
		if err := addObject(&inner, t.Fields, raw); err != nil {
			return err
		}
		b.Row(inner.Build())
		return nil
	}
	return addScalar(b, t, raw)
}

// addVector reads an array of numbers; null, which is what a NaN is written as, is none.
func addVector(b *RowBuilder, t Type, raw json.RawMessage) error {
	var items []*float32
	if err := json.Unmarshal(raw, &items); err != nil {
		return fmt.Errorf("read %s: %w", t, err)
	}
	if t.Dims > 0 && len(items) != t.Dims {
		return fmt.Errorf("read %s: %d numbers", t, len(items))
	}
	x := make([]float32, len(items))
	for i, item := range items {
		if item == nil {
			return fmt.Errorf("read %s: element %d is null", t, i)
		}
		x[i] = *item
	}
	b.Vector(x)
	return nil
}

func addScalar(b *RowBuilder, t Type, raw json.RawMessage) error {
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return fmt.Errorf("read %s: %w", t, err)
		}
	} else if t.Kind == String {
		return fmt.Errorf("read %s: %.40s is not a string", t, raw)
	}
	if t.Kind == Bytes {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("read bytes: %w", err)
		}
		b.Bytes(decoded)
		return nil
	}
	if len(t.Enum) > 0 && !slices.Contains(t.Enum, text) {
		return fmt.Errorf("read %s: %.40q is none of them", t, text)
	}
	encoded, err := parseText(t.Kind, text)
	if err != nil {
		return err
	}
	b.Bytes(encoded)
	return nil
}

// parseText encodes the text form of a scalar as a row holds it; bytes are in hexadecimal.
func parseText(kind Kind, text string) ([]byte, error) {
	bad := func() ([]byte, error) { return nil, fmt.Errorf("read %s: %.40q is none", kind, text) }
	switch kind {
	case String, JSON:
		return []byte(text), nil
	case Decimal:
		if _, err := appendDecimal(nil, text); err != nil {
			return bad()
		}
		return []byte(text), nil
	case Bool:
		x, err := strconv.ParseBool(text)
		if err != nil {
			return bad()
		}
		if x {
			return []byte{1}, nil
		}
		return []byte{0}, nil
	case Int64:
		x, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return bad()
		}
		return binary.LittleEndian.AppendUint64(nil, uint64(x)), nil
	case Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return bad()
		}
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(x)), nil
	case Timestamp:
		switch text {
		case infinity:
			return binary.LittleEndian.AppendUint64(nil, math.MaxInt64), nil
		case negativeInfinity:
			return binary.LittleEndian.AppendUint64(nil, 1<<63), nil
		}
		x, err := time.Parse(time.RFC3339Nano, text)
		if y := x.UTC().Year(); err != nil || y < 0 || y > 9999 { // the offset may lead out of what can be written
			return bad()
		}
		return binary.LittleEndian.AppendUint64(nil, uint64(x.UnixMicro())), nil
	case Date:
		switch text {
		case infinity:
			return binary.LittleEndian.AppendUint32(nil, math.MaxInt32), nil
		case negativeInfinity:
			return binary.LittleEndian.AppendUint32(nil, 1<<31), nil
		}
		x, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return bad()
		}
		return binary.LittleEndian.AppendUint32(nil, uint32(int32(x.Unix()/86_400))), nil
	case Bytes, UUID:
		raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
		if err != nil || kind == UUID && len(raw) != 16 {
			return bad()
		}
		return raw, nil
	}
	return bad()
}
