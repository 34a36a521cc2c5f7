package engine

import (
	"errors"
	"fmt"

	"github.com/freshet/freshet/cdc"
)

// errLacksColumn says that the state does not hold all of a row that the plan reads.
var errLacksColumn = errors.New("its row is not retained with every column that is read now")

// settleRow takes the new row, or the retained one in its present layout. It reports whether the row
// is another one than before.
func (w *worker) settleRow() (changed bool, err error) {
	t, n := w.t, &w.next
	n.note, n.noted = w.old.note, w.old.noted
	n.origin, n.time, n.layout = w.old.origin, w.old.time, t.root.layout
	if again, discard := w.asked(t.root.instance, nil); again && !discard {
		n.note, n.noted = nil, false // the source looks at it anew
	}
	if !t.changed {
		n.exists, n.hash = w.old.exists, w.old.hash
		n.row, n.hasRow, err = w.present(&w.old)
		return false, err
	}
	n.origin, n.time = t.origin, t.time
	if t.noted {
		n.note, n.noted = t.note, len(t.note) > 0
	}
	switch t.op {
	case cdc.Delete, cdc.Truncate:
		if !t.noted {
			n.note, n.noted = nil, false
		}
	case cdc.Reject:
		w.rejectSource(t.cause)
		return true, nil
	default:
		n.exists, n.hasRow = true, t.root.retained
		if n.row, err = w.merge(t.row); errors.Is(err, errNotSent) && !w.rescanned() {
			n.exists, n.hasRow = false, false
			w.rejectSource(&cdc.Cause{Code: "value_not_sent", Message: errNotSent.Error() + "; resetting the source has the row read again"})
			return true, nil
		} else if err != nil {
			return false, err
		}
		n.hash = hashBytes(n.row)
	}
	same := n.exists == w.old.exists && n.hash == w.old.hash && n.layout == w.old.layout && n.hasRow == w.old.hasRow
	return !same || w.hasReject(t.root.instance), nil
}

// present is the retained row of a record in the layout of the plan that runs.
func (w *worker) present(r *record) (cdc.Row, bool, error) {
	if !r.exists {
		return nil, false, nil
	}
	row, ok := w.t.root.present(r, &w.builder)
	if !ok {
		return nil, false, fmt.Errorf("evaluate %s of %s: %w", w.t.key.Text(), w.t.root.name, errLacksColumn)
	}
	if r.layout != w.t.root.layout {
		w.next.hash = hashBytes(row)
	}
	return row, true, nil
}

// present is the row that a record retains, in the present layout; ok is false where the record lacks columns of it.
func (r *root) present(rec *record, b *cdc.RowBuilder) (row cdc.Row, ok bool) {
	if !rec.hasRow {
		return nil, false
	}
	if rec.layout == r.layout {
		return rec.row, true
	}
	fields := r.projections[rec.layout]
	if fields == nil {
		return nil, false
	}
	return b.Project(nil, rec.row, fields), true
}

// merge resolves unchanged fields of a new row through the row before it (scenario 11).
func (w *worker) merge(row cdc.Row) (cdc.Row, error) {
	if sentWhole(row) {
		return row, nil
	}
	before, ok, err := w.present(&w.old)
	if errors.Is(err, errLacksColumn) || err == nil && !ok {
		return nil, errNotSent
	}
	if err != nil {
		return nil, err
	}
	return overlay(before, row), nil
}

// errNotSent says that a value did not change and was not sent, and that no earlier row holds it.
var errNotSent = errors.New("a value that did not change was not sent, and no earlier row holds it")

// rescanned reports whether the owner's source is being read again from the start.
func (w *worker) rescanned() bool {
	return w.g.stored.Roots[w.t.root.name].Backfill == backfillRescan
}

func (w *worker) hasReject(instance uint32) bool {
	for i := range w.old.rejects {
		if w.old.rejects[i].instance == instance {
			return true
		}
	}
	return false
}
