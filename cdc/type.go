package cdc

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is the family of a [Type].
type Kind uint8

// The kinds of values. The zero Kind is no type at all.
const (
	Invalid   Kind = iota
	Bool           // one byte, 0 or 1
	Int64          // eight bytes, little endian
	Float64        // eight bytes, IEEE 754, one NaN
	Decimal        // its text, digits with optional sign, point and exponent
	String         // UTF-8
	Bytes          // as they are
	Timestamp      // microseconds since 1970-01-01T00:00:00Z, as Int64; its extremes are the infinities
	Date           // days since 1970-01-01, four bytes, little endian; its extremes are the infinities
	UUID           // sixteen bytes
	JSON           // its text
	Vector         // float32, little endian, Dims of them
	List           // a Row whose fields are the elements
	Struct         // a Row whose fields are Fields
)

var kindNames = [...]string{"invalid", "bool", "int", "float", "decimal", "string", "bytes", "timestamp",
	"date", "uuid", "json", "vector", "list", "struct"}

// String gives the name of the kind as flow files write it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Type says what a column may hold.
type Type struct {
	Kind     Kind
	Nullable bool
	Dims     int      // of a Vector: its length; 0 where it is not known yet
	Elem     *Type    // of a List
	Fields   []Column // of a Struct
	Enum     []string // of a String: the only values, where they are limited
	// Native is how the source spells the type, such as numeric(10,2) or mood[]; a target of the same kind
	// keeps it. It has no part in Equal and String: what may be held is said by the rest.
	Native string
	// Base is how the source spells what a domain stands for, such as varchar(5); empty where Native is no domain. A target
	// that does not have the domain keeps this.
	Base string
}

// Column is a named [Type].
type Column struct {
	Name string
	Type Type
}

// OrNull is the type that also allows null.
func (t Type) OrNull() Type {
	t.Nullable = true
	return t
}

// NotNull is the type without null.
func (t Type) NotNull() Type {
	t.Nullable = false
	return t
}

// Equal reports whether two types allow the same values.
func (t Type) Equal(u Type) bool {
	if t.Kind != u.Kind || t.Nullable != u.Nullable || t.Dims != u.Dims ||
		len(t.Fields) != len(u.Fields) || len(t.Enum) != len(u.Enum) || (t.Elem == nil) != (u.Elem == nil) {
		return false
	}
	for i := range t.Fields {
		if t.Fields[i].Name != u.Fields[i].Name || !t.Fields[i].Type.Equal(u.Fields[i].Type) {
			return false
		}
	}
	for i := range t.Enum {
		if t.Enum[i] != u.Enum[i] {
			return false
		}
	}
	return t.Elem == nil || t.Elem.Equal(*u.Elem)
}

// String writes the type as flow files do: `string?`, `vector(384)`, `[int]`, `enum(a, b)`.
func (t Type) String() string {
	var s string
	switch {
	case t.Kind == Vector && t.Dims > 0:
		s = fmt.Sprintf("vector(%d)", t.Dims)
	case t.Kind == List && t.Elem != nil:
		s = "[" + t.Elem.String() + "]"
	case t.Kind == Struct:
		parts := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			parts[i] = f.Name + ": " + f.Type.String()
		}
		s = "{" + strings.Join(parts, ", ") + "}"
	case len(t.Enum) > 0:
		s = "enum(" + strings.Join(t.Enum, ", ") + ")"
	default:
		s = t.Kind.String()
	}
	if t.Nullable {
		s += "?"
	}
	return s
}

// ParseType reads the types of flow files: a scalar name, `enum(a, b)`, `[type]` or `vector(n)`,
// each with an optional trailing `?`.
func ParseType(text string) (Type, error) {
	s := strings.TrimSpace(text)
	if rest, ok := strings.CutSuffix(s, "?"); ok {
		t, err := ParseType(rest)
		return t.OrNull(), err
	}
	switch {
	case strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]"):
		elem, err := ParseType(s[1 : len(s)-1])
		if err != nil {
			return Type{}, err
		}
		return Type{Kind: List, Elem: &elem}, nil
	case strings.HasPrefix(s, "vector(") && strings.HasSuffix(s, ")"):
		n, err := strconv.Atoi(strings.TrimSpace(s[len("vector(") : len(s)-1]))
		if err != nil || n < 1 {
			return Type{}, &TypeError{Text: text, Hint: "give the length of the vector, such as vector(384)"}
		}
		return Type{Kind: Vector, Dims: n}, nil
	case strings.HasPrefix(s, "enum(") && strings.HasSuffix(s, ")"):
		return parseEnum(text, s[len("enum("):len(s)-1])
	}
	for k := Bool; k <= JSON; k++ {
		if kindNames[k] == s {
			return Type{Kind: k}, nil
		}
	}
	return Type{}, &TypeError{Text: text, Hint: "types are string, int, float, bool, decimal, bytes, timestamp, " +
		"date, uuid, json, enum(a, b), [type] and vector(n), with a trailing ? where null is allowed"}
}

func parseEnum(text, inner string) (Type, error) {
	t := Type{Kind: String}
	for _, v := range strings.Split(inner, ",") {
		if v = strings.TrimSpace(v); v == "" {
			return Type{}, &TypeError{Text: text, Hint: "list the values, such as enum(low, high)"}
		}
		t.Enum = append(t.Enum, v)
	}
	return t, nil
}

// TypeError is a text that names no type.
type TypeError struct {
	Text string
	Hint string
}

func (e *TypeError) Error() string { return fmt.Sprintf("parse type %q: no such type", e.Text) }
