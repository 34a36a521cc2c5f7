package flowfile

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// noun says what a key wants, for messages and the reference.
func noun(t reflect.Type, f field) string {
	switch formOf(t, f) {
	case formColumnType:
		return "a type"
	case formDuration:
		return "a duration with its unit"
	case formSize:
		return "a size in bytes or with its unit"
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

// withBounds adds the bounds of a key to what it wants.
func withBounds(text string, f field) string {
	switch {
	case f.min != "" && f.max != "":
		return fmt.Sprintf("%s, %s to %s", text, f.min, f.max)
	case f.min != "":
		return text + ", at least " + f.min
	case f.max != "":
		return text + ", at most " + f.max
	}
	return text
}

// example writes a key as it could stand in the file.
func example(label string, t reflect.Type, f field) string {
	value := exampleValue(t, f)
	if strings.HasPrefix(label, `"`) {
		return fmt.Sprintf("`%s: %s`", strings.Trim(label, `"`), value)
	}
	return "`" + value + "`"
}

// mended writes a key as its author likely meant it: a number without its quotes, a list of the one
// value, a duration with a unit. Where that cannot be seen it is an example.
func (d *document) mended(p place, t reflect.Type, f field) string {
	n := p.value
	_, replaced := d.written[n]
	if n.Kind != yaml.ScalarNode || isNull(n) || replaced || f.secret || strings.ContainsAny(n.Value, "\n`") {
		return example(p.label, t, f)
	}
	text := ""
	switch form := formOf(t, f); {
	case form == formList && formOf(t.Elem(), field{}) == formString:
		text = fmt.Sprintf("[%q]", n.Value)
	case form == formDuration && n.ShortTag() == "!!int":
		text = n.Value + "s"
	case (form == formInt || form == formFloat || form == formBool) && fits(n.Value, form):
		text = n.Value
	}
	if text == "" {
		return example(p.label, t, f)
	}
	return example(p.label, t, field{fallback: text})
}

// fits reports whether a text is a value of a form once its quotes are gone.
func fits(text string, as form) bool {
	switch as {
	case formInt:
		_, err := strconv.ParseInt(text, 10, 64)
		return err == nil
	case formFloat:
		_, err := strconv.ParseFloat(text, 64)
		return err == nil
	}
	return text == "true" || text == "false"
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
		return "<" + withBounds(noun(t, f), f) + ">"
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
