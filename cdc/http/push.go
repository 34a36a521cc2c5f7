package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
)

// push is what one request holds.
type push struct {
	producer string
	sequence uint64
	changes  []change
	bytes    int64      // of the room that it takes
	time     int64      // when it came, in microseconds since 1970
	taken    chan taken // one place: Run never waits for a request
}

// change is one element of a push.
type change struct {
	key cdc.Key
	row cdc.Row // nil: the row goes
}

// taken says under which number a push was taken.
type taken struct {
	number   uint64
	repeated bool
}

// changesMost bounds the elements of a push: read, a row takes more room than its text.
const changesMost = 10_000

// elementError is an element that cannot be read, counted from 1.
type elementError struct {
	element int
	line    bool // of a body of lines
	err     error
}

func (e *elementError) Error() string {
	if e.line {
		return fmt.Sprintf("line %d: %v", e.element, e.err)
	}
	return fmt.Sprintf("element %d: %v", e.element, e.err)
}

func (e *elementError) Unwrap() error { return e.err }

var (
	errTooMany = fmt.Errorf("more than %d changes", changesMost)
	errNotUTF8 = errors.New("the body is not UTF-8")
)

// reader reads bodies into changes.
type reader struct {
	schema *cdc.Schema
	keys   *cdc.Schema // the columns of the key alone
	fields []int       // that are carried; nil: all
}

func newReader(schema *cdc.Schema, fields []int) *reader {
	r := &reader{schema: schema, keys: &cdc.Schema{}, fields: fields}
	for i, k := range schema.Key {
		r.keys.Columns = append(r.keys.Columns, schema.Columns[k])
		r.keys.Key = append(r.keys.Key, i)
	}
	return r
}

// document reads a body of one object, or of an array of objects.
func (r *reader) document(body []byte) ([]change, error) {
	if !utf8.Valid(body) {
		return nil, errNotUTF8
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 || body[0] != '[' {
		c, err := r.element(body)
		if err != nil {
			return nil, &elementError{element: 1, err: err}
		}
		return []change{c}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("read array: %w", err)
	}
	var all []change
	for decoder.More() {
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return nil, &elementError{element: len(all) + 1, err: err}
		}
		if len(all) == changesMost {
			return nil, errTooMany
		}
		c, err := r.element(raw)
		if err != nil {
			return nil, &elementError{element: len(all) + 1, err: err}
		}
		all = append(all, c)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("read array: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read body: something follows the array")
	}
	return all, nil
}

// lines reads a body of one object a line; empty lines are passed over.
func (r *reader) lines(body []byte) ([]change, error) {
	if !utf8.Valid(body) {
		return nil, errNotUTF8
	}
	var all []change
	n := 0
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(all) == changesMost {
			return nil, errTooMany
		}
		c, err := r.element(line)
		if err != nil {
			return nil, &elementError{element: n, line: true, err: err}
		}
		all = append(all, c)
	}
	return all, nil
}

// element reads one object. Most have no member that is not a column, and are read as they are.
func (r *reader) element(object []byte) (change, error) {
	if !bytes.Contains(object, []byte(`"_`)) && !bytes.Contains(object, []byte(`"\u`)) {
		return r.upsert(object)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return change{}, fmt.Errorf("read row: %w", err)
	}
	op := "upsert"
	if raw, ok := members["_op"]; ok {
		if err := json.Unmarshal(raw, &op); err != nil {
			return change{}, fmt.Errorf("read _op: %w", err)
		}
	}
	logged := members["_key"]
	for _, name := range reserved {
		delete(members, name)
	}
	if op == "delete" && len(members) == 0 && logged != nil { // a line of a change log, which names the key as a text
		return r.named(logged)
	}
	switch op {
	case "upsert":
		object, err := json.Marshal(members)
		if err != nil {
			return change{}, fmt.Errorf("read row: %w", err)
		}
		return r.upsert(object)
	case "delete":
		return r.delete(members)
	}
	return change{}, fmt.Errorf("read _op: %.40q is neither upsert nor delete", op)
}

func (r *reader) upsert(object []byte) (change, error) {
	row, err := cdc.RowFromJSON(r.schema, object)
	if err != nil {
		return change{}, err
	}
	key, err := r.schema.AppendKey(nil, row)
	if err != nil {
		return change{}, err
	}
	if r.fields != nil {
		var b cdc.RowBuilder
		row = b.Project(nil, row, r.fields)
	}
	return change{key: key, row: row}, nil
}

// named reads the text of a key.
func (r *reader) named(raw json.RawMessage) (change, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return change{}, fmt.Errorf("read _key: %w", err)
	}
	key, err := cdc.ParseKeyText(r.schema.KeyTypes(), text)
	if err != nil {
		return change{}, fmt.Errorf("read _key: %w", err)
	}
	return change{key: key}, nil
}

// delete reads the key of a row that goes. Other columns may be there and are not looked at.
func (r *reader) delete(members map[string]json.RawMessage) (change, error) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		at := r.schema.Index(name)
		if at < 0 {
			return change{}, fmt.Errorf("read row: no column %q", name)
		}
		if !r.schema.IsKey(at) {
			delete(members, name)
		}
	}
	object, err := json.Marshal(members)
	if err != nil {
		return change{}, fmt.Errorf("read row: %w", err)
	}
	row, err := cdc.RowFromJSON(r.keys, object)
	if err != nil {
		return change{}, err
	}
	key, err := r.keys.AppendKey(nil, row)
	return change{key: key}, err
}
