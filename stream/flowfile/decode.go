package flowfile

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/stream"
)

// decoder fills the config of one source, step, sink or model.
type decoder struct {
	*document
	failed bool     // a fault was told, now or before
	entry  place    // that is filled, where it is the config of a kind
	beside []string // keys that stand beside the entry
}

// decode fills a value from a place, and reports whether it could.
func (d *document) decode(p place, into any) bool {
	dec := decoder{document: d}
	dec.value(p, reflect.ValueOf(into).Elem(), field{})
	return !dec.failed
}

// decodeKind fills the config of a kind. beside are keys that the entry has beside its kind.
func (d *document) decodeKind(p place, into any, beside []string) bool {
	dec := decoder{document: d, entry: p, beside: beside}
	dec.value(p, reflect.ValueOf(into).Elem(), field{})
	return !dec.failed
}

// decodeHead fills a struct from a mapping that has keys of somebody else as well: skip. meant are the
// keys that misspelt ones among those likely mean.
func (d *document) decodeHead(p place, into any, skip []*yaml.Node, meant []string) bool {
	dec := decoder{document: d}
	dec.structure(p, reflect.ValueOf(into).Elem(), skip, meant...)
	return !dec.failed
}

func (d *decoder) tell(p place, code, message, hint string) {
	d.failed = true
	d.fault(d.spotOf(p), code, message, hint)
}

// wrong tells that a value is of another form than its key wants.
func (d *decoder) wrong(p place, v reflect.Value, f field) {
	if d.told[p.value] {
		d.failed = true
		return
	}
	if holdsSecret(v.Type(), f) {
		f.secret = true
		d.conceal(p.value)
	}
	message := fmt.Sprintf("%s must be %s, not %s", p.label, noun(v.Type(), f), d.show(p.value, f.secret))
	if isNull(p.value) {
		message = p.label + " has no value"
	}
	d.tell(p, "wrong_type", message, "write "+d.mended(p, v.Type(), f))
}

// holdsSecret reports whether what should have been a struct may be one of its secrets.
func holdsSecret(t reflect.Type, f field) bool {
	return formOf(t, f) == formStruct && fieldWhere(fieldsOf(t), func(f field) bool { return f.secret }) != nil
}

// value decodes one value by the form of its type.
func (d *decoder) value(p place, v reflect.Value, f field) {
	p.value = follow(p.value)
	if d.told[p.value] {
		d.failed = true
		return
	}
	if f.secret {
		d.conceal(p.value)
	}
	switch formOf(v.Type(), f) {
	case formRaw:
		v.Set(reflect.ValueOf(p.value))
	case formOptional:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(p, v.Elem(), f)
	case formStruct:
		d.structure(p, v, nil)
	case formOrdered:
		d.orderedMap(p, v, f)
	case formMap:
		d.plainMap(p, v, f)
	case formList:
		d.elements(p, v, f)
	case formColumnType:
		d.columnType(p, v, f)
	case formAny:
		if x := plain(p.value); x != nil {
			v.Set(reflect.ValueOf(x))
		}
	case formNone:
		d.tell(p, "internal", fmt.Sprintf("%s has a type that flow files cannot hold: %s", p.label, v.Type()), "")
	default:
		d.scalar(p, v, f)
	}
}

// structure decodes a mapping into a struct, or a scalar or list into the field that stands for it.
func (d *decoder) structure(p place, v reflect.Value, skip []*yaml.Node, meant ...string) {
	fields := fieldsOf(v.Type())
	var short *field
	n := follow(p.value)
	switch {
	case n.Kind == yaml.ScalarNode && !isNull(n):
		short = fieldWhere(fields, func(f field) bool { return f.scalar })
	case n.Kind == yaml.SequenceNode:
		short = fieldWhere(fields, func(f field) bool { return f.list })
	}
	faultsBefore := d.failed
	d.failed = false
	given := map[string]bool{}
	switch {
	case n.Kind == yaml.MappingNode && n.Line > 0 && len(n.Content) == 0 && fieldWhere(fields, func(f field) bool { return f.list }) != nil:
		d.empty(n, p.label+" is empty", false) // as the empty list would be
	case short != nil:
		given[short.name] = true
		d.value(place{p.key, n, p.label}, v.FieldByIndex(short.index), *short)
	case (n.Kind == yaml.MappingNode || isNull(n)) && takesMapping(fields):
		given = d.mapping(p, v, fields, skip)
	default:
		d.wrong(place{p.key, n, p.label}, v, field{})
		return
	}
	for _, f := range fields {
		if !given[f.name] && f.name != "" && !slices.Contains(meant, f.name) {
			d.absent(p, v.FieldByIndex(f.index), f)
		}
	}
	if !d.failed {
		d.validate(p, v)
	}
	d.failed = d.failed || faultsBefore
}

// takesMapping is false of a struct that only stands for its short forms.
func takesMapping(fields []field) bool {
	short := fieldWhere(fields, func(f field) bool { return f.scalar || f.list })
	rest := fieldWhere(fields, func(f field) bool { return f.rest })
	return short == nil || rest != nil || len(keys(fields)) > 0
}

// mapping decodes the keys of a mapping. It returns those that are given, and those that a misspelt
// one most likely means: they are not told to be missing as well.
func (d *decoder) mapping(p place, v reflect.Value, fields []field, skip []*yaml.Node) map[string]bool {
	given := map[string]bool{}
	var rest []pair
	for _, e := range pairs(p.value) {
		if slices.Contains(skip, e.key) {
			continue
		}
		if d.told[e.key] {
			d.failed = true
			continue
		}
		f := fieldWhere(fields, func(f field) bool { return f.name != "" && f.name == e.key.Value })
		switch {
		case f != nil:
			given[f.name] = true
			d.value(place{e.key, e.value, strconv.Quote(f.name)}, v.FieldByIndex(f.index), *f)
		case fieldWhere(fields, func(f field) bool { return f.rest }) != nil:
			rest = append(rest, e)
		default:
			given[d.unknownKey(p, e, fields)] = true
		}
	}
	if f := fieldWhere(fields, func(f field) bool { return f.rest }); f != nil && len(rest) > 0 {
		d.entries(rest, v.FieldByIndex(f.index), *f)
	}
	return given
}

// unknownKey tells of a key that no field has; it returns the key that is likely meant.
func (d *decoder) unknownKey(p place, e pair, fields []field) string {
	known := keys(fields)
	near := stream.Nearest(e.key.Value, known)
	if f := fieldWhere(fields, func(f field) bool { return f.name == near && f.secret }); f != nil {
		d.conceal(e.value)
	}
	hint := stream.DidYouMean("keys", e.key.Value, known)
	switch {
	case p.value == d.entry.value && slices.Contains(d.beside, e.key.Value):
		hint = fmt.Sprintf("write it beside %s, not under it", p.label)
	case len(known) == 0:
		hint = "remove it: there are no keys here"
	}
	d.failed = true
	d.fault(d.at(e.key), "unknown_key", fmt.Sprintf("%s has no key %q", p.label, e.key.Value), hint)
	return near
}

// absent gives a field its value from the environment or its default, or tells that it is missing.
func (d *decoder) absent(p place, v reflect.Value, f field) {
	if f.env != "" {
		if value, ok := d.lookup(f.env); ok && value != "" {
			d.secrets.add(value, "${"+f.env+"}")
			n := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
			d.written[n] = "${" + f.env + "}"
			d.value(place{p.key, n, strconv.Quote(f.name)}, v, f)
			return
		}
	}
	switch {
	case f.fallback != "":
		n := &yaml.Node{Kind: yaml.ScalarNode, Value: f.fallback}
		d.value(place{p.key, n, strconv.Quote(f.name)}, v, f)
	case f.required:
		hint := "add " + example(strconv.Quote(f.name), f.typ, f)
		if f.env != "" {
			hint += ", or set " + f.env
		}
		at := d.spotOf(place{key: p.key, value: p.value})
		d.failed = true
		d.fault(at, "missing_key", fmt.Sprintf("%s lacks the key %q", p.label, f.name), hint)
	case formOf(f.typ, f) == formStruct:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		d.structure(place{p.key, n, strconv.Quote(f.name)}, v, nil)
	}
}

// validate asks a config what its tags cannot say.
func (d *decoder) validate(p place, v reflect.Value) {
	checked, ok := v.Addr().Interface().(interface{ Validate() error })
	if !ok {
		return
	}
	for _, fault := range stream.Problems(checked.Validate()) {
		if fault.Code == "internal" {
			fault = &stream.Problem{Code: "bad_value", Message: fault.Message, Field: fault.Field}
		}
		d.failed = true
		d.problem(p, fault)
	}
}

// orderedMap decodes a mapping into a slice of keys and values.
func (d *decoder) orderedMap(p place, v reflect.Value, f field) {
	if p.value.Kind != yaml.MappingNode {
		d.wrong(p, v, f)
		return
	}
	d.entries(pairs(p.value), v, f)
}

func (d *decoder) entries(all []pair, v reflect.Value, f field) {
	if formOf(v.Type(), f) == formMap {
		d.mapEntries(all, v, f)
		return
	}
	key, value, ok := ordered(v.Type())
	if !ok {
		d.failed = true
		d.fault(d.at(all[0].key), "internal", fmt.Sprintf("keys cannot be kept in %s", v.Type()), "")
		return
	}
	bounds := valueField(v.Type())
	bounds.secret = bounds.secret || f.secret
	for _, e := range all {
		if d.told[e.key] {
			d.failed = true
			continue
		}
		entry := reflect.New(v.Type().Elem()).Elem()
		entry.Field(key).SetString(e.key.Value)
		d.value(place{e.key, e.value, strconv.Quote(e.key.Value)}, entry.Field(value), bounds)
		v.Set(reflect.Append(v, entry))
	}
}

func (d *decoder) plainMap(p place, v reflect.Value, f field) {
	if p.value.Kind != yaml.MappingNode {
		d.wrong(p, v, f)
		return
	}
	d.mapEntries(pairs(p.value), v, f)
}

func (d *decoder) mapEntries(all []pair, v reflect.Value, f field) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range all {
		if d.told[e.key] {
			d.failed = true
			continue
		}
		entry := reflect.New(v.Type().Elem()).Elem()
		d.value(place{e.key, e.value, strconv.Quote(e.key.Value)}, entry, field{secret: f.secret})
		v.SetMapIndex(reflect.ValueOf(e.key.Value).Convert(v.Type().Key()), entry)
	}
}

// elements decodes a list, or one value in place of a list of one where the field allows that.
func (d *decoder) elements(p place, v reflect.Value, f field) {
	one := f
	one.single = false
	switch {
	case p.value.Kind == yaml.SequenceNode && len(p.value.Content) == 0 && v.Type().Elem() != nodeType:
		d.empty(p.value, p.label+" is an empty list", f.required)
	case p.value.Kind == yaml.SequenceNode:
		for i, n := range p.value.Content {
			entry := reflect.New(v.Type().Elem()).Elem()
			d.value(place{value: n, label: fmt.Sprintf("entry %d of %s", i+1, p.label)}, entry, one)
			v.Set(reflect.Append(v, entry))
		}
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
	case f.single && p.value.Kind == yaml.ScalarNode && !isNull(p.value):
		entry := reflect.New(v.Type().Elem()).Elem()
		d.value(p, entry, one)
		v.Set(reflect.Append(v, entry))
	default:
		d.wrong(p, v, f)
	}
}

// empty is the fault of a list without entries: it might mean all or nothing, and what is absent has one meaning.
func (d *decoder) empty(n *yaml.Node, message string, required bool) {
	d.failed = true
	hint := "name at least one"
	if !required {
		hint = "leave it out, or " + hint
	}
	d.fault(d.at(n), "bad_value", message, hint)
}
