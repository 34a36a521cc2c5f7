package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/freshet/freshet/cdc"
	"github.com/twmb/franz-go/pkg/kgo"
)

// format reads records of one form. It belongs to one goroutine.
type format interface {
	// decode says in d what a record does. Its errors are *rejection, for a record that can never be read,
	// or tell of a registry that does not answer now.
	decode(ctx context.Context, r *kgo.Record, d *decoded) error
}

// decoded is what a record does. It is used for one record after another.
type decoded struct {
	op      cdc.Op         // Update, Delete or Truncate; 0: the record changes no row
	key     cdc.Key        // of Update and Delete, and of a record that is rejected where it is known
	row     cdc.RowBuilder // of Update: the carried columns
	carried []int          // columns of the schema, in the order of the row
}

// rejection is a record that can never be read. It becomes a dead letter.
type rejection struct {
	code string
	err  error
}

func (r *rejection) Error() string { return r.err.Error() }
func (r *rejection) Unwrap() error { return r.err }

// Codes of dead letters.
const (
	codeDecode  = "decode_error"
	codeNullKey = "null_key"
)

var errNullKey = errors.New("it has no key, so that no row can be named after it")

func undecodable(what string, err error) error {
	return &rejection{code: codeDecode, err: fmt.Errorf("%s: %w", what, err)}
}

// document makes JSON of what a record holds, where it is written in something else.
type document interface {
	// json gives the JSON text of a key or value; it is valid until the next call. Its errors are those of
	// [format].
	json(ctx context.Context, r *kgo.Record, data []byte, isKey bool) ([]byte, error)
}

// plain takes JSON as it is.
type plain struct{}

func (plain) json(_ context.Context, _ *kgo.Record, data []byte, _ bool) ([]byte, error) {
	return data, nil
}

// keys reads the keys of records.
type keys struct {
	shape  *shape // nil: the key is a text, taken as it is
	doc    document
	tokens []token
	values values
	row    cdc.RowBuilder
	schema *cdc.Schema // of the key columns alone
	said   []byte      // the text that was read last
	coded  []byte      // scratch: the row of the key columns
}

// newKeys reads keys that are objects with these columns; none: a text.
func newKeys(columns []cdc.Column, doc document) *keys {
	k := &keys{doc: doc}
	if len(columns) > 0 {
		given := slices.Clone(columns)
		for i := range given {
			given[i].Type = given[i].Type.NotNull() // a key has no part without a value
		}
		k.shape = newShape(given)
		k.tokens = make([]token, len(columns))
		k.schema = &cdc.Schema{Columns: columns}
		for i := range columns {
			k.schema.Key = append(k.schema.Key, i)
		}
	}
	return k
}

// read appends the key of a record to dst. With a fault it is nil, unless the key is known all the same.
func (k *keys) read(ctx context.Context, r *kgo.Record, dst cdc.Key) (cdc.Key, error) {
	if r.Key == nil {
		return nil, &rejection{code: codeNullKey, err: errNullKey}
	}
	if k.shape == nil {
		text, err := k.text(ctx, r)
		if err != nil {
			return nil, err
		}
		k.said = text
		key, err := cdc.AppendKeyValue(dst, cdc.String, cdc.Value{Raw: text})
		if err == nil && !utf8.Valid(text) {
			err = errUTF8
		}
		if err != nil {
			return key, undecodable("read key", err)
		}
		return key, nil
	}
	doc, err := k.doc.json(ctx, r, r.Key, true)
	if err != nil {
		return nil, err
	}
	at, end, err := payload(doc)
	if err != nil {
		return nil, undecodable("read key", err)
	}
	s := scanner{b: doc[:end], at: at}
	if err := k.shape.find(&s, k.tokens); err != nil {
		return nil, undecodable("read key", err)
	}
	return k.build(dst, doc, k.tokens)
}

// begin reads the key of a record into d. ended says that there is no more to it: the row has come to its end.
func (k *keys) begin(ctx context.Context, r *kgo.Record, d *decoded) (ended bool, err error) {
	if d.key, err = k.read(ctx, r, d.key[:0]); err != nil || r.Value != nil {
		return false, err
	}
	d.op = cdc.Delete
	return true, nil
}

// text is the key of a record that is a text.
func (k *keys) text(ctx context.Context, r *kgo.Record) ([]byte, error) {
	if _, ok := k.doc.(plain); ok {
		return r.Key, nil
	}
	doc, err := k.doc.json(ctx, r, r.Key, true)
	if err != nil {
		return nil, err
	}
	s := scanner{b: doc}
	v, err := s.value(0)
	if err != nil || v.kind != kindText {
		return doc, nil // a number is its digits
	}
	if k.values.text, err = appendText(k.values.text[:0], doc, v); err != nil {
		return nil, undecodable("read key", err)
	}
	return k.values.text, nil
}

// build appends the key that members of an object make.
func (k *keys) build(dst cdc.Key, doc []byte, tokens []token) (cdc.Key, error) {
	k.row.Reset()
	for i := range k.shape.columns {
		c := &k.shape.columns[i]
		if err := k.values.add(&k.row, &c.Type, doc, tokens[i]); err != nil {
			return nil, undecodable("read key", fmt.Errorf("field %s: %w", c.Name, err))
		}
	}
	k.coded = k.row.Append(k.coded[:0])
	key, err := k.schema.AppendKey(dst, cdc.Row(k.coded))
	if err != nil {
		return nil, undecodable("read key", err)
	}
	return key, nil
}

// payload finds the object that a document is about: the document itself, or its payload where the
// document is wrapped together with its schema.
func payload(doc []byte) (start, end int, err error) {
	s := scanner{b: doc}
	if err := s.enter(); err != nil {
		return 0, 0, err
	}
	var inner token
	schema, others := false, false
	for first := true; ; first = false {
		name, value, more, err := s.member(first, 1)
		if err != nil {
			return 0, 0, err
		}
		if !more {
			break
		}
		switch string(name) {
		case "payload":
			inner = value
		case "schema":
			schema = true
		default:
			others = true
		}
	}
	if err := s.end(); err != nil {
		return 0, 0, err
	}
	if inner.kind != kindNone && schema && !others {
		return inner.start, inner.end, nil
	}
	return 0, len(doc), nil
}
