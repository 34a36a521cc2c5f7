package stream

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/freshet/freshet/cdc"
)

// tagKey is the key of the struct tags that name columns.
const tagKey = "freshet"

// record is a struct type as columns see it, compiled once: no row is walked by reflection.
type record struct {
	name   string // of the Go type
	fields []recordField
}

// recordField is an exported field that is a column.
type recordField struct {
	column string
	path   string // as Go code names it: Doc.Title
	offset uintptr
	goType string
	codec  codec
	key    bool
}

// fieldTag is what the tag of a field says.
type fieldTag struct {
	name string
	key  bool
	dims int
	kind cdc.Kind // Invalid: the one that the Go type stands for
}

// compileRecord reads a struct type. All its faults are joined, each a *Problem whose Field is the field's
// path.
func compileRecord(t reflect.Type) (*record, error) {
	r := &record{name: typeName(t)}
	if t.Kind() != reflect.Struct {
		return nil, &Problem{Code: "wrong_type", Field: r.name, Message: fmt.Sprintf("%s is no struct, whose fields are columns", t),
			Hint: "declare a struct with a field for each column that is read"}
	}
	if faults := append(r.collect(t, 0, nil), r.doubled()...); len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return r, nil
}

// doubled finds columns that are two fields.
func (r *record) doubled() []error {
	var faults []error
	for i, f := range r.fields {
		first := slices.IndexFunc(r.fields, func(o recordField) bool { return o.column == f.column })
		if first < i {
			faults = append(faults, &Problem{Code: "duplicate_name", Field: f.path,
				Message: fmt.Sprintf("%s and %s are both the column %q", r.fields[first].path, f.path, f.column),
				Hint:    fmt.Sprintf("name the column of one of them: `freshet:%q`", "name")})
		}
	}
	return faults
}

// typeName is the name of a type without its package and the packages of its parameters.
func typeName(t reflect.Type) string {
	if t.Name() == "" {
		return "struct"
	}
	name, _, _ := strings.Cut(t.Name(), "[")
	return name
}

// collect adds the fields of a struct; those of an embedded struct count as its own. around are the
// structs that it is part of.
func (r *record) collect(t reflect.Type, offset uintptr, around []reflect.Type) []error {
	around = append(slices.Clip(around), t)
	var faults []error
	for i := range t.NumField() {
		f := t.Field(i)
		text, tagged := f.Tag.Lookup(tagKey)
		if text == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[time.Time]() {
			faults = append(faults, r.collect(f.Type, offset+f.Offset, around)...)
			continue
		}
		if !f.IsExported() {
			continue
		}
		path := r.name + "." + f.Name
		tag, err := parseTag(f.Name, text, path)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		c, err := compileCodec(f.Type, tag, path, around)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if tag.key && !cdc.Keyable(c.column().Kind) {
			faults = append(faults, &Problem{Code: "wrong_type", Field: path, Message: fmt.Sprintf("%s is %s, which no key can hold", path, c.column()),
				Hint: "make texts, numbers, times or the like the key"})
		}
		r.fields = append(r.fields, recordField{column: tag.name, path: path, offset: offset + f.Offset, goType: f.Type.String(), codec: c, key: tag.key})
	}
	return faults
}

// tagKinds are the words of a tag that say what a field's type leaves open.
func tagKinds() map[string]cdc.Kind {
	return map[string]cdc.Kind{"decimal": cdc.Decimal, "json": cdc.JSON, "date": cdc.Date}
}

func parseTag(field, text, path string) (fieldTag, error) {
	words := strings.Split(text, ",")
	tag := fieldTag{name: words[0]}
	if tag.name == "" {
		tag.name = snakeCase(field)
	}
	for _, word := range words[1:] {
		kind, named := tagKinds()[word]
		dims, isDims := strings.CutPrefix(word, "dims=")
		n, err := strconv.Atoi(dims)
		switch {
		case word == "key":
			tag.key = true
		case named:
			tag.kind = kind
		case isDims && err == nil && n > 0:
			tag.dims = n
		default:
			p := &Problem{Code: "bad_value", Field: path, Message: fmt.Sprintf("the tag of %s says %q", path, word),
				Hint: DidYouMean("words behind the name", word, []string{"key", "decimal", "json", "date", "dims=384"})}
			if isDims {
				p.Hint = "give the length of the vector, such as dims=384"
			}
			return tag, p
		}
	}
	return tag, nil
}

// snakeCase is the column that a field is, unless its tag names it: UserID is user_id.
func snakeCase(field string) string {
	var b strings.Builder
	runes := []rune(field)
	for i, c := range runes {
		if unicode.IsUpper(c) {
			after := i > 0 && !unicode.IsUpper(runes[i-1]) && runes[i-1] != '_'
			before := i > 0 && i+1 < len(runes) && unicode.IsLower(runes[i+1]) && runes[i-1] != '_'
			if after || before {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// index is the place of a column among the fields, or -1.
func (r *record) index(column string) int {
	return slices.IndexFunc(r.fields, func(f recordField) bool { return f.column == column })
}

// names are the columns in the order of the fields.
func (r *record) names() []string {
	names := make([]string, len(r.fields))
	for i, f := range r.fields {
		names[i] = f.column
	}
	return names
}

// String writes the columns and their types, for fingerprints.
func (r *record) String() string {
	s := &cdc.Schema{}
	for i, f := range r.fields {
		s.Columns = append(s.Columns, cdc.Column{Name: f.column, Type: f.codec.column()})
		if f.key {
			s.Key = append(s.Key, i)
		}
	}
	return s.String()
}
