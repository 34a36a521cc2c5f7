package kafka

import (
	"bytes"
	"context"
	"errors"

	"github.com/freshet/freshet/cdc"
	"github.com/twmb/franz-go/pkg/kgo"
)

// keyColumn names the column that holds a record's key where that is a text.
const keyColumn = "key"

// adder adds a value as a field of a column, by its index in the shape.
type adder interface {
	addField(b *cdc.RowBuilder, x *values, column int, doc []byte, v token) error
}

// rows is the format of records whose value is the row: an object of its fields, or null where the row is
// gone.
type rows struct {
	keys   *keys
	doc    document
	shape  *shape
	tokens []token
	values values
	fields adder // nil: JSON says what it means

	lead   int     // 1 where the schema begins with the key as a text
	pick   []int   // of each key column its place in the shape; none where the key is a text
	picked []token // scratch
	again  cdc.Key // scratch
}

func newRows(schema *cdc.Schema, doc document) *rows {
	f := &rows{doc: doc}
	if textKeyed(schema) {
		f.keys, f.lead = newKeys(nil, doc), 1
	} else {
		var columns []cdc.Column
		for _, k := range schema.Key {
			columns = append(columns, schema.Columns[k])
		}
		f.keys, f.pick, f.picked = newKeys(columns, doc), schema.Key, make([]token, len(schema.Key))
	}
	f.shape = newShape(schema.Columns[f.lead:])
	f.tokens = make([]token, len(f.shape.columns))
	return f
}

// textKeyed reports whether the rows of a schema are keyed by the record's key as a text.
func textKeyed(s *cdc.Schema) bool {
	return len(s.Key) == 1 && s.Key[0] == 0 && s.Columns[0].Name == keyColumn
}

// decode implements format.
func (f *rows) decode(ctx context.Context, r *kgo.Record, d *decoded) error {
	if ended, err := f.keys.begin(ctx, r, d); ended || err != nil {
		return err
	}
	doc, err := f.doc.json(ctx, r, r.Value, false)
	if err != nil {
		return err
	}
	return f.upsert(doc, 0, len(doc), d)
}

// upsert makes the row of the object that stands in a part of a document.
func (f *rows) upsert(doc []byte, start, end int, d *decoded) error {
	s := scanner{b: doc[:end], at: start}
	err := f.shape.find(&s, f.tokens)
	if err == nil {
		err = s.end()
	}
	if err != nil {
		return undecodable("read value", err)
	}
	d.op = cdc.Update
	d.row.Reset()
	for _, i := range d.carried {
		if i < f.lead {
			d.row.Bytes(f.keys.said)
			continue
		}
		i -= f.lead
		c := &f.shape.columns[i]
		if f.fields != nil {
			err = f.fields.addField(&d.row, &f.values, i, doc, f.tokens[i])
		} else {
			err = f.values.add(&d.row, &c.Type, doc, f.tokens[i])
		}
		if err != nil {
			return undecodable("read field "+c.Name, err)
		}
	}
	return f.agree(doc, d)
}

var errOtherKey = errors.New("the record's key is not that of its row")

// agree makes sure that a row says the key that its record has: they name the same row.
func (f *rows) agree(doc []byte, d *decoded) error {
	if len(f.pick) == 0 {
		return nil
	}
	for i, at := range f.pick {
		f.picked[i] = f.tokens[at]
	}
	var err error
	if f.again, err = f.keys.build(f.again[:0], doc, f.picked); err != nil {
		return err
	}
	if !bytes.Equal(f.again, d.key) {
		return undecodable("read value", errOtherKey)
	}
	return nil
}
