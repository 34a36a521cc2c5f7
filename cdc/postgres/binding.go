package postgres

import (
	"errors"
	"fmt"
	"slices"

	"github.com/freshet/freshet/cdc"
)

// binding joins what a Relation message says of a table to what the flow carries of it. It belongs to one
// run and one goroutine.
type binding struct {
	table      *table
	collection int
	fields     []field // carried columns, in the order of the rows
	keys       []field // key columns, in the order of the key
	identity   []bool  // which columns of a tuple are of the replica identity
}

// field is where a carried column stands in a tuple, and how it gets from there into a row.
type field struct {
	from int   // index into the tuple; -1: the tuple is older than the column
	wire codec // of the value as it travels
	want codec // of the collection's column
}

// errFormUnknown says that a value travels in binary and has no known binary form: the stream has to be
// asked for text.
var errFormUnknown = errors.New("a value in binary form of a type that is read as text")

// decoder turns tuples into changes. It belongs to one goroutine.
type decoder struct {
	reader  reader
	row     cdc.RowBuilder
	keys    cdc.RowBuilder
	keyRow  []byte
	key     []byte // of the new row
	oldKey  []byte
	after   tuple
	before  tuple
	scratch []byte
}

// addField adds one value of a tuple. old, where it is not nil, fills in what was not sent again.
func (d *decoder) addField(b *cdc.RowBuilder, f field, t, old *tuple) error {
	if f.from < 0 {
		b.Unchanged()
		return nil
	}
	if f.from >= len(t.forms) {
		return fmt.Errorf("%w: a tuple has %d columns", errMessage, len(t.forms))
	}
	form, raw := t.forms[f.from], t.values[f.from]
	if form == formUnchanged && old != nil && f.from < len(old.forms) {
		form, raw = old.forms[f.from], old.values[f.from]
	}
	switch form {
	case formNull:
		b.Null()
	case formUnchanged:
		b.Unchanged()
	case formText:
		return d.reader.addText(b, f.want, raw)
	case formBinary:
		if f.wire == codecText {
			return errFormUnknown
		}
		if f.wire == f.want || f.wire.kind() == f.want.kind() {
			return d.reader.addBinary(b, f.wire, raw)
		}
		return d.addConverted(b, f, raw)
	}
	return nil
}

// addConverted adds a value whose column has had another type when it was written: by way of its text.
func (d *decoder) addConverted(b *cdc.RowBuilder, f field, raw []byte) error {
	var one cdc.RowBuilder
	if err := d.reader.addBinary(&one, f.wire, raw); err != nil {
		return err
	}
	part := cdc.KeyPart{Kind: f.wire.kind(), Raw: one.Build().At(0).Raw}
	return d.reader.addText(b, f.want, []byte(part.Text()))
}

// buildRow decodes the carried columns of a tuple into d.row.
func (d *decoder) buildRow(x *binding, t, old *tuple) error {
	d.row.Reset()
	for i, f := range x.fields {
		if err := d.addField(&d.row, f, t, old); err != nil {
			return fmt.Errorf("read a value of %s: %w", x.columnAt(i), err)
		}
	}
	return nil
}

func (x *binding) columnAt(i int) string {
	if f := x.fields[i].from; f >= 0 && i < len(x.table.columns) {
		return x.table.plain() + ", carried column " + fmt.Sprint(i+1)
	}
	return x.table.plain()
}

// appendKey decodes the key columns of a tuple.
func (d *decoder) appendKey(dst []byte, x *binding, t, old *tuple) ([]byte, error) {
	if len(x.keys) == 1 {
		if key, ok := d.appendShortKey(dst, x.keys[0], t); ok {
			return key, nil
		}
	}
	d.keys.Reset()
	for i, f := range x.keys {
		if err := d.addField(&d.keys, f, t, old); err != nil {
			return dst, fmt.Errorf("read key column %s of %s: %w", x.table.columns[x.table.key[i]].name, x.table.plain(), err)
		}
	}
	d.keyRow = d.keys.Append(d.keyRow[:0])
	row := cdc.Row(d.keyRow)
	var err error
	for i, f := range x.keys {
		if dst, err = cdc.AppendKeyValue(dst, f.want.kind(), row.At(i)); err != nil {
			return dst, fmt.Errorf("read key column %s of %s: %w", x.table.columns[x.table.key[i]].name, x.table.plain(), err)
		}
	}
	return dst, nil
}

// appendShortKey is appendKey for what most keys are: one integer in binary form.
func (d *decoder) appendShortKey(dst []byte, f field, t *tuple) ([]byte, bool) {
	if f.wire != f.want || f.from < 0 || f.from >= len(t.forms) || t.forms[f.from] != formBinary {
		return dst, false
	}
	raw := t.values[f.from]
	n := int64(0)
	switch {
	case f.wire == codecInt4 && len(raw) == 4:
		n = int64(int32(uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])))
	case f.wire == codecInt8 && len(raw) == 8:
		for _, x := range raw {
			n = n<<8 | int64(x)
		}
	default:
		return dst, false
	}
	d.scratch = d.scratch[:0]
	for range 8 {
		d.scratch = append(d.scratch, byte(n))
		n >>= 8
	}
	key, err := cdc.AppendKeyValue(dst, cdc.Int64, cdc.Value{Raw: d.scratch})
	return key, err == nil
}

// unchangedFields lists the carried columns that a tuple leaves out.
func (x *binding) unchangedFields(t, old *tuple) []int {
	var left []int
	for i, f := range x.fields {
		if f.from < 0 || f.from >= len(t.forms) || t.forms[f.from] != formUnchanged {
			continue
		}
		if old == nil || old.forms[f.from] == formUnchanged {
			left = append(left, i)
		}
	}
	return left
}

// bind joins a relation to the columns that are carried. carried are indices into the table's columns.
// A column that the relation lacks, or has with another type, is settled by settle.
func bind(t *table, collection int, carried []int, r *relation, settle func(c column, at int) (int, codec, error)) (*binding, error) {
	x := &binding{table: t, collection: collection}
	fieldOf := func(at int) (field, error) {
		c := t.columns[at]
		from := slices.IndexFunc(r.columns, func(w wireColumn) bool { return w.name == c.name })
		if from >= 0 && r.columns[from].declared == c.declared && r.columns[from].modifier == c.modifier {
			return field{from: from, wire: c.codec, want: c.codec}, nil
		}
		from, wire, err := settle(c, from)
		return field{from: from, wire: wire, want: c.codec}, err
	}
	for _, at := range carried {
		f, err := fieldOf(at)
		if err != nil {
			return nil, err
		}
		x.fields = append(x.fields, f)
	}
	for _, at := range t.key {
		f, err := fieldOf(at)
		if err != nil {
			return nil, err
		}
		x.keys = append(x.keys, f)
	}
	return x, nil
}
