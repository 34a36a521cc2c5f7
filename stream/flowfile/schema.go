package flowfile

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
)

// object is a JSON object. encoding/json writes its keys sorted, so that the schema is stable.
type object = map[string]any

// Schema writes the JSON Schema (draft 2020-12) of flow files, for completion in editors. It is laxer
// than Parse: names that refer to each other and expressions are not checked.
func Schema(r Registry) []byte {
	file := structSchema(reflect.TypeFor[fileHead]())
	properties := file["properties"].(object)
	properties["models"] = named("Models by name.", reflect.TypeFor[ModelConfig](), modelKinds(r))
	properties["sources"] = named("Sources by name.", reflect.TypeFor[sourceHead](), sourceKinds(r))
	properties["steps"] = named("Steps by name.", reflect.TypeFor[stepHead](), operatorKinds(r))
	properties["sinks"] = named("Sinks by name.", reflect.TypeFor[sinkHead](), sinkKinds(r))
	test := structSchema(reflect.TypeFor[testHead]())
	rows := object{"type": "array", "items": object{"type": "object"}}
	test["properties"].(object)["given"], test["properties"].(object)["want"] = rows, rows
	properties["tests"] = object{"type": "array", "items": test, "description": properties["tests"].(object)["description"]}
	file["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	file["title"] = "Freshet flow file"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(file); err != nil {
		panic(err) // maps of strings and literals always encode
	}
	return b.Bytes()
}

// named is the schema of a section: names, each with the section's keys and exactly one kind.
func named(doc string, head reflect.Type, kinds map[string]kind) object {
	entry := structSchema(head)
	properties := entry["properties"].(object)
	var oneOf []object
	for _, name := range sortedKeys(kinds) {
		k := kinds[name]
		config := typeSchema(reflect.TypeOf(k.new()).Elem(), field{})
		if k.doc != "" {
			config["description"] = k.doc
		}
		properties[name] = config
		oneOf = append(oneOf, object{"required": []string{name}})
	}
	if len(oneOf) > 0 {
		entry["oneOf"] = oneOf
	}
	return object{"type": "object", "description": doc, "additionalProperties": entry,
		"propertyNames": object{"pattern": "^[a-z][a-z0-9_-]{0,39}$"}}
}

// structSchema is the schema of a struct in its mapping form.
func structSchema(t reflect.Type) object {
	properties := object{}
	var required []string
	open := any(false)
	for _, f := range fieldsOf(t) {
		if f.rest {
			open = typeSchema(f.typ, f)["additionalProperties"]
		}
		if f.name == "" {
			continue
		}
		s := typeSchema(f.typ, f)
		if f.doc != "" {
			s["description"] = f.doc
		}
		properties[f.name] = s
		if f.required && f.env == "" {
			required = append(required, f.name)
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": open}
	if required != nil {
		s["required"] = required
	}
	return s
}

// replaceable also allows a text with ${NAME} in it.
func replaceable(s object) object {
	return object{"anyOf": []any{s, object{"type": "string", "pattern": `\$\{`}}}
}

func typeSchema(t reflect.Type, f field) object {
	switch formOf(t, f) {
	case formString, formText:
		if f.enum != nil {
			return withDefault(object{"enum": f.enum}, f, f.fallback)
		}
		return withDefault(object{"type": []string{"string", "number", "boolean"}}, f, f.fallback)
	case formBool:
		return replaceable(withDefault(object{"type": "boolean"}, f, f.fallback == "true"))
	case formInt, formFloat:
		return replaceable(numberSchema(t, f))
	case formDuration:
		return replaceable(withDefault(object{"type": "string", "pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^[0-9]+d$`}, f, f.fallback))
	case formSize:
		return object{"anyOf": []any{object{"type": "integer"},
			withDefault(object{"type": "string", "pattern": `^[0-9][0-9_.]* ?([kKMGT]i?B|B)?$|\$\{`}, f, f.fallback)}}
	case formColumnType:
		return object{"type": []string{"string", "array", "object"}}
	case formOptional:
		return typeSchema(t.Elem(), f)
	case formStruct:
		return unionSchema(t)
	case formOrdered:
		return object{"type": "object", "additionalProperties": typeSchema(valueField(t).typ, valueField(t))}
	case formMap:
		return object{"type": "object", "additionalProperties": typeSchema(t.Elem(), field{})}
	case formList:
		list := object{"type": "array", "items": typeSchema(t.Elem(), field{enum: f.enum, size: f.size})}
		if f.single {
			return object{"anyOf": []any{typeSchema(t.Elem(), field{enum: f.enum, size: f.size}), list}}
		}
		return list
	}
	return object{}
}

// unionSchema is the schema of a struct with the short forms that stand for it.
func unionSchema(t reflect.Type) object {
	var forms []any
	fields := fieldsOf(t)
	for _, f := range fields {
		if f.scalar || f.list {
			forms = append(forms, typeSchema(f.typ, f))
		}
	}
	switch {
	case forms == nil:
		s := structSchema(t)
		if s["required"] == nil {
			s["type"] = []string{"object", "null"}
		}
		return s
	case takesMapping(fields):
		forms = append(forms, structSchema(t))
	}
	return object{"anyOf": forms}
}

func numberSchema(t reflect.Type, f field) object {
	s := object{"type": "number"}
	if formOf(t, f) == formInt {
		s["type"] = "integer"
	}
	if f.min != "" {
		s["minimum"] = json.Number(f.min)
	}
	if f.max != "" {
		s["maximum"] = json.Number(f.max)
	}
	if f.fallback != "" {
		if _, err := strconv.ParseFloat(f.fallback, 64); err == nil {
			s["default"] = json.Number(f.fallback)
		}
	}
	return s
}

func withDefault(s object, f field, value any) object {
	if f.fallback != "" {
		s["default"] = value
	}
	return s
}
