package flowfile

import (
	"fmt"
	"reflect"
	"strings"
)

// noun says what a key wants, for messages and the reference.
func noun(t reflect.Type, f field) string {
	switch formOf(t, f) {
	case formColumnType:
		return "a type"
	case formDuration:
		return "a duration"
	case formSize:
		return "a size"
	case formString, formText:
		if f.enum != nil {
			return anyOf(f.enum)
		}
		return "a text"
	case formBool:
		return "true or false"
	case formInt:
		return "a whole number"
	case formFloat:
		return "a number"
	case formOptional:
		return noun(t.Elem(), f)
	case formStruct:
		return nounOfStruct(t)
	case formOrdered, formMap, formRaw:
		return "a mapping"
	case formList:
		if f.single {
			return noun(t.Elem(), field{enum: f.enum, size: f.size}) + " or a list"
		}
		return "a list"
	}
	return "a value"
}

// nounOfStruct names the short forms of a struct as well.
func nounOfStruct(t reflect.Type) string {
	fields := fieldsOf(t)
	var forms []string
	for _, f := range fields {
		if f.scalar {
			forms = append(forms, noun(f.typ, f))
		}
		if f.list {
			forms = append(forms, noun(f.typ, f))
		}
	}
	if takesMapping(fields) {
		forms = append(forms, "a mapping")
	}
	return anyOf(forms)
}

// example writes a key as it could stand in the file.
func example(label string, t reflect.Type, f field) string {
	value := exampleValue(t, f)
	if strings.HasPrefix(label, `"`) {
		return fmt.Sprintf("`%s: %s`", strings.Trim(label, `"`), value)
	}
	return "`" + value + "`"
}

func exampleValue(t reflect.Type, f field) string {
	if f.fallback != "" {
		return f.fallback
	}
	switch formOf(t, f) {
	case formColumnType:
		return "string"
	case formDuration:
		return "30s"
	case formSize:
		return "256MiB"
	case formBool:
		return "true"
	case formInt, formFloat:
		if f.min != "" {
			return f.min
		}
		return "1"
	case formOptional:
		return exampleValue(t.Elem(), f)
	case formOrdered, formMap, formRaw:
		return "{name: …}"
	case formStruct:
		return exampleOfStruct(t)
	case formList:
		inner := exampleValue(t.Elem(), field{enum: f.enum, size: f.size})
		if f.single {
			return inner
		}
		return "[" + inner + "]"
	}
	if len(f.enum) > 0 {
		return f.enum[0]
	}
	return "…"
}

// exampleOfStruct shows the keys that must be there, else the first.
func exampleOfStruct(t reflect.Type) string {
	fields := fieldsOf(t)
	for _, f := range fields {
		if f.scalar || f.list {
			return exampleValue(f.typ, f)
		}
	}
	var parts []string
	for _, f := range fields {
		if f.required && f.name != "" {
			parts = append(parts, f.name+": "+exampleValue(f.typ, f))
		}
	}
	if parts == nil {
		if f := fieldWhere(fields, func(f field) bool { return f.name != "" }); f != nil {
			parts = append(parts, f.name+": "+exampleValue(f.typ, *f))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
