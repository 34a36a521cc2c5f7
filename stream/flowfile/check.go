package flowfile

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Check reports faults of the kinds themselves: a default that does not decode or is out of bounds, a
// type that flow files cannot hold, a key without documentation, a kind whose name is taken by a key
// of its section. It is for the test of whoever fills a registry.
func (r Registry) Check() error {
	var faults []error
	for _, s := range []*section{
		{"source", "kind", sourceKinds(r), sourceHead{}}, {"step", "operator", operatorKinds(r), stepHead{}},
		{"sink", "kind", sinkKinds(r), sinkHead{}}, {"model", "kind", modelKinds(r), ModelConfig{}},
	} {
		own := keys(headFields(s))
		for _, name := range sortedKeys(s.kinds) {
			where := s.noun + " " + name
			if slices.Contains(own, name) {
				faults = append(faults, fmt.Errorf("%s: the name is a key of every %s", where, s.noun))
			}
			if s.kinds[name].doc == "" {
				faults = append(faults, fmt.Errorf("%s: no documentation", where))
			}
			config := reflect.TypeOf(s.kinds[name].new())
			if config == nil || config.Kind() != reflect.Pointer {
				faults = append(faults, fmt.Errorf("%s: New yields %v, no pointer", where, config))
				continue
			}
			faults = append(faults, checkType(where, config.Elem(), field{}, nil)...)
		}
	}
	return errors.Join(faults...)
}

// checkType checks a type and the types within it; open are the structs on the way down.
func checkType(where string, t reflect.Type, f field, open []reflect.Type) []error {
	switch formOf(t, f) {
	case formNone:
		return []error{fmt.Errorf("%s: flow files cannot hold %s", where, t)}
	case formOptional, formList, formMap:
		return checkType(where, t.Elem(), field{}, open)
	case formOrdered:
		return checkType(where, valueField(t).typ, valueField(t), open)
	case formStruct:
		if slices.Contains(open, t) {
			return nil
		}
		return checkFields(where, t, append(slices.Clone(open), t))
	}
	return nil
}

func checkFields(where string, t reflect.Type, open []reflect.Type) []error {
	var faults []error
	seen := map[string]bool{}
	for _, f := range fieldsOf(t) {
		at := where + "." + f.name
		if f.name != "" {
			if seen[f.name] {
				faults = append(faults, fmt.Errorf("%s: two fields of this key", at))
			}
			seen[f.name] = true
			if f.doc == "" {
				faults = append(faults, fmt.Errorf("%s: no documentation", at))
			}
		}
		if f.fallback != "" {
			d := newDocument(at, func(string) (string, bool) { return "", false })
			dec := decoder{document: d}
			dec.absent(place{label: at}, reflect.New(f.typ).Elem(), f)
			for _, fault := range d.take() {
				faults = append(faults, fmt.Errorf("%s: its default: %s", at, fault.Message))
			}
		}
		faults = append(faults, checkType(at, f.typ, f, open)...)
	}
	return faults
}
