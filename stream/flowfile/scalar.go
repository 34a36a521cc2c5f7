package flowfile

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// scalar decodes a text, a number, a duration or a size.
func (d *decoder) scalar(p place, v reflect.Value, f field) {
	n := p.value
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.wrong(p, v, f)
		return
	}
	text := n.Value
	_, replaced := d.written[n]
	// A quoted number is a text, unless it was given as "${NAME}".
	isText := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 && !replaced
	switch f2 := formOf(v.Type(), f); {
	case f2 == formText:
		d.unmarshal(p, v, text)
	case f2 == formString:
		v.SetString(text)
		d.checkEnum(p, text, f)
	case f2 == formDuration:
		d.duration(p, v, f, text)
	case f2 == formSize:
		size, err := parseSize(text)
		d.number(p, v, f, float64(size), err, func() { setInt(v, size) })
	case f2 == formBool:
		if isText || text != "true" && text != "false" {
			d.wrong(p, v, f)
			return
		}
		v.SetBool(text == "true")
	case isText:
		d.wrong(p, v, f)
	case f2 == formInt:
		x, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
		d.number(p, v, f, float64(x), err, func() { setInt(v, x) })
	default:
		x, err := strconv.ParseFloat(text, 64)
		if err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
			err = errors.New("not finite")
		}
		d.number(p, v, f, x, err, func() { v.SetFloat(x) })
	}
}

// number checks the bounds of a parsed number before it is set.
func (d *decoder) number(p place, v reflect.Value, f field, x float64, err error, set func()) {
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && overflows(v, x):
		d.tell(p, "bad_value", fmt.Sprintf("%s is out of range: %s", p.label, d.show(p.value, f.secret)), "write "+example(p.label, v.Type(), f))
	case err != nil && formOf(v.Type(), f) == formSize && p.value.ShortTag() == "!!str":
		d.tell(p, "bad_value", fmt.Sprintf("%s is no size: %s", p.label, d.show(p.value, f.secret)),
			"write "+example(p.label, v.Type(), f)+"; the units are B, KiB, MiB, GiB and TiB, or kB, MB, GB and TB")
	case err != nil:
		d.wrong(p, v, f)
	case f.min != "" && x < bound(f.min, v.Type(), f), f.max != "" && x > bound(f.max, v.Type(), f):
		d.outOfBounds(p, v.Type(), f)
	default:
		set()
	}
}

func overflows(v reflect.Value, x float64) bool {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		return v.OverflowFloat(x)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.OverflowInt(int64(x))
	}
	return x < 0 || v.OverflowUint(uint64(x))
}

func setInt(v reflect.Value, x int64) {
	if v.CanInt() {
		v.SetInt(x)
	} else {
		v.SetUint(uint64(x))
	}
}

func (d *decoder) outOfBounds(p place, t reflect.Type, f field) {
	limits := "smaller"
	switch {
	case f.min != "" && f.max != "":
		limits = fmt.Sprintf("from %s to %s", f.min, f.max)
	case f.min != "":
		limits = "at least " + f.min
	case f.max != "":
		limits = "at most " + f.max
	}
	d.tell(p, "bad_value", fmt.Sprintf("%s must be %s, not %s", p.label, limits, d.show(p.value, f.secret)),
		"write "+example(p.label, t, f))
}

// bound is the number of a min or max tag.
func bound(text string, t reflect.Type, f field) float64 {
	switch formOf(t, f) {
	case formDuration:
		x, _ := parseDuration(text)
		return float64(x)
	case formSize:
		x, _ := parseSize(text)
		return float64(x)
	}
	x, _ := strconv.ParseFloat(text, 64)
	return x
}

func (d *decoder) checkEnum(p place, text string, f field) {
	if f.enum == nil || slices.Contains(f.enum, text) {
		return
	}
	d.tell(p, "bad_value", fmt.Sprintf("%s must be %s, not %s", p.label, anyOf(f.enum), d.show(p.value, f.secret)),
		stream.DidYouMean("values of "+p.label, d.unreplaced(p.value), f.enum))
}

// unreplaced is the text of a scalar as the file has it.
func (d *document) unreplaced(n *yaml.Node) string {
	if written, ok := d.written[n]; ok {
		return written
	}
	return n.Value
}

func anyOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func (d *decoder) unmarshal(p place, v reflect.Value, text string) {
	err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	for _, fault := range stream.Problems(err) {
		if fault.Code == "internal" {
			fault = &stream.Problem{Code: "bad_value", Message: p.label + ": " + fault.Message,
				Hint: "write " + example(p.label, v.Type(), field{})}
		}
		d.failed = true
		d.problem(p, fault)
	}
}

// duration tells a missing unit from a wrong one.
func (d *decoder) duration(p place, v reflect.Value, f field, text string) {
	x, err := parseDuration(text)
	if err != nil && p.value.ShortTag() == "!!str" {
		d.tell(p, "bad_value", fmt.Sprintf("%s is no duration: %s", p.label, d.show(p.value, f.secret)),
			"write "+example(p.label, v.Type(), f)+"; the units are ms, s, m, h and d")
		return
	}
	if err == nil && x < 0 && f.min == "" {
		f.min = "0s"
	}
	d.number(p, v, f, float64(x), err, func() { v.SetInt(int64(x)) })
}

// parseDuration reads what time.ParseDuration does, and days alone: 7d.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("parse days %q: %w", text, err)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(text)
}

var sizeForm = regexp.MustCompile(`^(-?[0-9][0-9_]*(?:\.[0-9]+)?) ?([A-Za-z]*)$`)

// sizeUnits in bytes. Both families are read, as both are unambiguous.
var sizeUnits = map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}

// parseSize reads a number of bytes: 4096, 256MiB, 1.5GiB.
func parseSize(text string) (int64, error) {
	m := sizeForm.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("parse size %q: no number", text)
	}
	unit, ok := sizeUnits[m[2]]
	if !ok {
		return 0, fmt.Errorf("parse size %q: no such unit", text)
	}
	r, ok := new(big.Rat).SetString(strings.ReplaceAll(m[1], "_", ""))
	if !ok {
		return 0, fmt.Errorf("parse size %q: no number", text)
	}
	r.Mul(r, new(big.Rat).SetInt64(unit))
	if !r.IsInt() {
		return 0, fmt.Errorf("parse size %q: not whole bytes", text)
	}
	if !r.Num().IsInt64() {
		return 0, fmt.Errorf("parse size %q: %w", text, strconv.ErrRange)
	}
	return r.Num().Int64(), nil
}

// columnType decodes a type: a text, a list of one type, or a mapping of fields. An unquoted
// [string] is a list to YAML and means the same here.
func (d *decoder) columnType(p place, v reflect.Value, f field) {
	t, ok := d.typeOf(p, f)
	if ok {
		v.Set(reflect.ValueOf(t))
	}
}

func (d *decoder) typeOf(p place, f field) (cdc.Type, bool) {
	n := follow(p.value)
	switch {
	case n.Kind == yaml.SequenceNode && len(n.Content) == 1:
		elem, ok := d.typeOf(place{p.key, n.Content[0], p.label}, f)
		return cdc.Type{Kind: cdc.List, Elem: &elem}, ok
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		t, all := cdc.Type{Kind: cdc.Struct}, true
		for _, e := range pairs(n) {
			member, ok := d.typeOf(place{e.key, e.value, strconv.Quote(e.key.Value)}, f)
			t.Fields, all = append(t.Fields, cdc.Column{Name: e.key.Value, Type: member}), all && ok
		}
		return t, all
	case n.Kind != yaml.ScalarNode || isNull(n):
		d.wrong(place{p.key, n, p.label}, reflect.New(columnType).Elem(), f)
		return cdc.Type{}, false
	}
	t, err := cdc.ParseType(n.Value)
	var fault *cdc.TypeError
	switch {
	case errors.As(err, &fault):
		d.tell(place{p.key, n, p.label}, "bad_value", fmt.Sprintf("%s has no such type: %s", p.label, d.show(n, f.secret)), fault.Hint)
		return cdc.Type{}, false
	case err != nil:
		d.wrong(place{p.key, n, p.label}, reflect.New(columnType).Elem(), f)
		return cdc.Type{}, false
	}
	return t, true
}

// plain is a value as Go has it without a type: nil, bool, int64, float64, string, []any or map[string]any.
func plain(n *yaml.Node) any {
	n = follow(n)
	switch n.Kind {
	case yaml.SequenceNode:
		all := make([]any, len(n.Content))
		for i, c := range n.Content {
			all[i] = plain(c)
		}
		return all
	case yaml.MappingNode:
		all := make(map[string]any, len(n.Content)/2)
		for _, e := range pairs(n) {
			all[e.key.Value] = plain(e.value)
		}
		return all
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true")
	case "!!int":
		if x, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return x
		}
	case "!!float":
		if x, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsInf(x, 0) && !math.IsNaN(x) {
			return x
		}
	}
	return n.Value
}
