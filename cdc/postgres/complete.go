package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
)

// left says where the values are that a change has left out because they did not change.
type left uint8

const (
	leftNone left = iota // the row has them all by now
	leftHeld             // the flow has the row as it stood before the change
	leftGone             // the row is gone by now: what removed it comes later in the stream, and it need not appear
)

// complete makes sure that a row of a table whose first rows are still being read comes with all its values, since the flow
// may not hold it. What the change left out is as it stood before, under the key stood (I11). Next to a window which does not
// show the change, that is what the window shows, or what the flow was given since. Values of a later moment would go on
// to other rows: those that take them from this one when they move.
//
// Before the mark of the next window they do not, so that there, what the table holds now will do: every change up to that
// moment comes before the mark, and values that it leaves out are read again.
func (r *run) complete(ctx context.Context, x *binding, t, old *tuple, stood cdc.Key) (left, error) {
	fields := x.unchangedFields(t, old)
	switch {
	case len(fields) == 0:
		return leftNone, nil
	case r.filling(x.table.oid) == nil:
		return leftHeld, nil
	}
	w, there := r.window, false
	var err error
	switch moment := r.moment(x.table.oid); {
	case moment == momentShown:
		there, err = r.reselect(ctx, r.readers[0], x, t, t, old, fields)
		return leftIf(there), err
	case moment != momentNone && w.has(r.overlaps.nameOf(x, stood)):
		return leftHeld, nil
	case moment == momentLater:
		before := t
		if old != nil {
			before = old
		}
		if there, err = r.reselect(ctx, r.readers[0], x, t, before, nil, fields); there || err != nil {
			return leftNone, err
		}
		w.crowded = true
	case moment == momentUnknown:
		w.crowded = true
	}
	if err := r.awaitVisible(ctx); err != nil {
		return leftGone, err
	}
	there, err = r.reselect(ctx, r.sql, x, t, t, old, fields)
	return leftIf(there), err
}

func leftIf(there bool) left {
	if there {
		return leftNone
	}
	return leftGone
}

// reselect fills in fields that t lacks with what the table shows on a connection, under the key that by has, or old where by lacks it.
func (r *run) reselect(ctx context.Context, c *pgx.Conn, x *binding, t, by, old *tuple, left []int) (found bool, err error) {
	query := "SELECT "
	formats := make([]int16, len(left))
	for i, f := range left {
		if i > 0 {
			query += ", "
		}
		query += quoted(x.table.columns[r.carried[x.collection][f]].name)
		if x.fields[f].wire.binary() {
			formats[i] = 1
		}
	}
	condition, values, types, forms := x.byKey(by, old)
	query += " FROM " + x.table.String() + " WHERE " + condition
	result := c.PgConn().ExecParams(ctx, query, values, types, forms, formats).Read()
	if result.Err != nil {
		return false, fmt.Errorf("read unchanged values of %s: %w", x.table.plain(), result.Err)
	}
	if len(result.Rows) != 1 {
		return false, nil
	}
	for i, f := range left {
		from := x.fields[f].from
		switch value := result.Rows[0][i]; {
		case value == nil:
			t.forms[from] = formNull
		case formats[i] == 1:
			t.forms[from], t.values[from] = formBinary, value
		default:
			t.forms[from], t.values[from] = formText, value
		}
	}
	return true, nil
}

// byKey is the condition of the key that a tuple holds, with its parameters as ExecParams takes them.
func (x *binding) byKey(t, old *tuple) (condition string, values [][]byte, types []uint32, forms []int16) {
	for i, f := range x.keys {
		if i > 0 {
			condition += " AND "
		}
		column := x.table.columns[x.table.key[i]]
		condition += fmt.Sprintf("%s = $%d", quoted(column.name), i+1)
		form, value := t.forms[f.from], t.values[f.from]
		if form == formUnchanged && old != nil {
			form, value = old.forms[f.from], old.values[f.from]
		}
		format := int16(0)
		if form == formBinary {
			format = 1
		}
		values, types, forms = append(values, value), append(types, column.declared), append(forms, format)
	}
	return condition, values, types, forms
}
