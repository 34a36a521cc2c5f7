package qdranttest

import (
	"slices"
	"strings"

	"github.com/qdrant/go-client/qdrant"
)

// meets reports whether a point meets a filter; nil keeps all. A condition that is not played is an error, so that no
// test passes for want of it.
func meets(p *qdrant.PointStruct, f *qdrant.Filter) (bool, error) {
	if f == nil {
		return true, nil
	}
	for _, c := range f.GetMust() {
		if ok, err := holds(p, c); err != nil || !ok {
			return false, err
		}
	}
	for _, c := range f.GetMustNot() {
		if ok, err := holds(p, c); err != nil || ok {
			return false, err
		}
	}
	if f.GetMinShould() != nil {
		return false, wrongInput("min_should is not played")
	}
	for _, c := range f.GetShould() {
		if ok, err := holds(p, c); err != nil || ok {
			return ok, err
		}
	}
	return len(f.GetShould()) == 0, nil
}

func holds(p *qdrant.PointStruct, c *qdrant.Condition) (bool, error) {
	switch c := c.GetConditionOneOf().(type) {
	case *qdrant.Condition_Filter:
		return meets(p, c.Filter)
	case *qdrant.Condition_HasId:
		return slices.ContainsFunc(c.HasId.GetHasId(), func(id *qdrant.PointId) bool { return id.GetUuid() == p.GetId().GetUuid() }), nil
	case *qdrant.Condition_HasVector:
		_, ok := p.GetVectors().GetVectors().GetVectors()[c.HasVector.GetHasVector()]
		return ok, nil
	case *qdrant.Condition_IsEmpty:
		_, ok := lookup(p.GetPayload(), c.IsEmpty.GetKey())
		return !ok, nil
	case *qdrant.Condition_Field:
		v, ok := lookup(p.GetPayload(), c.Field.GetKey())
		if !ok {
			return false, nil
		}
		return fits(v, c.Field)
	}
	return false, wrongInput("a condition is not played")
}

// lookup follows a path of names.
func lookup(payload map[string]*qdrant.Value, path string) (*qdrant.Value, bool) {
	name, rest, nested := strings.Cut(path, ".")
	v, ok := payload[name]
	if !ok || !nested {
		return v, ok
	}
	return lookup(v.GetStructValue().GetFields(), rest)
}

func fits(v *qdrant.Value, f *qdrant.FieldCondition) (bool, error) {
	if r := f.GetRange(); r != nil {
		x, ok := number(v)
		return ok && (r.Lt == nil || x < *r.Lt) && (r.Lte == nil || x <= *r.Lte) && (r.Gt == nil || x > *r.Gt) && (r.Gte == nil || x >= *r.Gte), nil
	}
	switch m := f.GetMatch().GetMatchValue().(type) {
	case *qdrant.Match_Keyword:
		return v.GetStringValue() == m.Keyword, nil
	case *qdrant.Match_Keywords:
		return slices.Contains(m.Keywords.GetStrings(), v.GetStringValue()), nil
	case *qdrant.Match_Integer:
		x, ok := v.GetKind().(*qdrant.Value_IntegerValue)
		return ok && x.IntegerValue == m.Integer, nil
	case *qdrant.Match_Boolean:
		x, ok := v.GetKind().(*qdrant.Value_BoolValue)
		return ok && x.BoolValue == m.Boolean, nil
	}
	return false, wrongInput("a match is not played")
}

// number is a value as ranges compare it.
func number(v *qdrant.Value) (float64, bool) {
	switch x := v.GetKind().(type) {
	case *qdrant.Value_IntegerValue:
		return float64(x.IntegerValue), true
	case *qdrant.Value_DoubleValue:
		return x.DoubleValue, true
	}
	return 0, false
}
