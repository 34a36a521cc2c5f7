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
	if !r.hasRow {
		return nil, false, fmt.Errorf("evaluate %s of %s: %w", w.t.key.Text(), w.t.root.name, errLacksColumn)
	}
	if r.layout == w.t.root.layout {
		return r.row, true, nil
	}
	fields := w.t.root.projections[r.layout]
	if fields == nil {
		return nil, false, fmt.Errorf("evaluate %s of %s: %w", w.t.key.Text(), w.t.root.name, errLacksColumn)
	}
	row := cdc.Row(w.builder.Project(nil, r.row, fields))
	w.next.hash = hashBytes(row)
	return row, true, nil
}

// merge resolves unchanged fields of a new row through the row before it (scenario 11).
func (w *worker) merge(row cdc.Row) (cdc.Row, error) {
	unchanged := false
	n := row.Len()
	for i := range n {
		unchanged = unchanged || row.At(i).State == cdc.Unchanged
	}
	if !unchanged {
		return row, nil
	}
	before, ok, err := w.present(&w.old)
	if errors.Is(err, errLacksColumn) || err == nil && !ok {
		return nil, errNotSent
	}
	if err != nil {
		return nil, err
	}
	w.builder.Reset()
	for i := range n {
		v := row.At(i)
		if v.State == cdc.Unchanged {
			v = before.At(i)
		}
		w.builder.Value(v)
	}
	return w.builder.Build(), nil
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
