package flowfile

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/cdc"
)

// field is what the tags of a struct field say.
type field struct {
	name     string // empty: no key sets it
	index    []int
	typ      reflect.Type
	fallback string // text of the default tag
	required bool
	secret   bool
	size     bool // an integer written as a size
	enum     []string
	min, max string
	env      string
	doc      string

	single, scalar, list, rest bool
}

// fieldsOf reads the tags of a struct, nested inline structs included.
func fieldsOf(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("yaml")
		name, rest, _ := strings.Cut(tag, ",")
		options := strings.Split(rest, ",")
		has := func(option string) bool { return slices.Contains(options, option) }
		switch {
		case !tagged || name == "-" || has("key") || has("value"):
			continue
		case has("inline"):
			for _, f := range fieldsOf(sf.Type) {
				f.index = append([]int{i}, f.index...)
				all = append(all, f)
			}
			continue
		}
		f := field{name: name, index: []int{i}, typ: sf.Type, fallback: sf.Tag.Get("default"),
			required: sf.Tag.Get("required") == "true", secret: sf.Tag.Get("secret") == "true",
			size: sf.Tag.Get("unit") == "bytes", min: sf.Tag.Get("min"), max: sf.Tag.Get("max"),
			env: sf.Tag.Get("env"), doc: sf.Tag.Get("doc"),
			single: has("single"), scalar: has("scalar"), list: has("list"), rest: has("rest")}
		if enum := sf.Tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, ",")
		}
		all = append(all, f)
	}
	return all
}

// keys are the names that a mapping of these fields takes.
func keys(fields []field) []string {
	var names []string
	for _, f := range fields {
		if f.name != "" {
			names = append(names, f.name)
		}
	}
	return names
}

// fieldWhere is the first field with a property, or nil.
func fieldWhere(fields []field, is func(field) bool) *field {
	if i := slices.IndexFunc(fields, is); i >= 0 {
		return &fields[i]
	}
	return nil
}

var (
	nodeType      = reflect.TypeFor[*yaml.Node]()
	columnType    = reflect.TypeFor[cdc.Type]()
	durationType  = reflect.TypeFor[time.Duration]()
	unmarshalType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// form is how a type is written in a flow file.
type form uint8

const (
	formNone form = iota // no such type is decoded
	formRaw              // kept as a node
	formColumnType
	formDuration
	formSize
	formText // anything with UnmarshalText
	formString
	formBool
	formInt
	formFloat
	formOptional // a pointer
	formStruct
	formOrdered // a mapping that keeps its order: a slice of key and value
	formList
	formMap
	formAny
)

// formOf is how values of a field, or of a type without one, are written.
func formOf(t reflect.Type, f field) form {
	switch {
	case t == nodeType:
		return formRaw
	case t == columnType:
		return formColumnType
	case t == durationType:
		return formDuration
	case reflect.PointerTo(t).Implements(unmarshalType):
		return formText
	}
	switch t.Kind() {
	case reflect.String:
		return formString
	case reflect.Bool:
		return formBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if f.size {
			return formSize
		}
		return formInt
	case reflect.Float32, reflect.Float64:
		return formFloat
	case reflect.Pointer:
		return formOptional
	case reflect.Struct:
		return formStruct
	case reflect.Slice:
		if _, _, ok := ordered(t); ok {
			return formOrdered
		}
		return formList
	case reflect.Map:
		if t.Key().Kind() == reflect.String {
			return formMap
		}
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return formAny
		}
	}
	return formNone
}

// ordered reports whether a slice is an ordered map, and which fields of its elements are key and value.
func ordered(t reflect.Type) (key, value int, ok bool) {
	if t.Elem().Kind() != reflect.Struct {
		return 0, 0, false
	}
	key, value = -1, -1
	for i := range t.Elem().NumField() {
		switch t.Elem().Field(i).Tag.Get("yaml") {
		case ",key":
			key = i
		case ",value":
			value = i
		}
	}
	return key, value, key >= 0 && value >= 0
}

// valueField is the field of an ordered map's values, whose tags bound each of them.
func valueField(t reflect.Type) field {
	_, value, _ := ordered(t)
	sf := t.Elem().Field(value)
	f := field{typ: sf.Type, size: sf.Tag.Get("unit") == "bytes", min: sf.Tag.Get("min"), max: sf.Tag.Get("max"),
		secret: sf.Tag.Get("secret") == "true"}
	if enum := sf.Tag.Get("enum"); enum != "" {
		f.enum = strings.Split(enum, ",")
	}
	return f
}
