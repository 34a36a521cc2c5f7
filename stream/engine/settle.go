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
func (v *evaluator) settleRow() (changed bool, err error) {
	t, n := v.t, &v.next
	n.note, n.noted = v.old.note, v.old.noted
	n.origin, n.time, n.layout = v.old.origin, v.old.time, t.root.layout
	if again, discard := v.asked(t.root.instance, nil); again && !discard {
		n.note, n.noted = nil, false // the source looks at it anew
	}
	if !t.changed {
		n.exists, n.hash = v.old.exists, v.old.hash
		n.row, n.hasRow, err = v.present(&v.old)
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
		v.rejectSource(t.cause)
		return true, nil
	default:
		n.exists, n.hasRow = true, t.root.retained
		if n.row, err = v.merge(t.row); errors.Is(err, errNotSent) && !v.rescanned() {
			n.exists, n.hasRow = false, false
			v.rejectSource(&cdc.Cause{Code: "value_not_sent", Message: errNotSent.Error() + "; resetting the source has the row read again"})
			return true, nil
		} else if err != nil {
			return false, err
		}
		n.hash = hashBytes(n.row)
	}
	same := n.exists == v.old.exists && n.hash == v.old.hash && n.layout == v.old.layout && n.hasRow == v.old.hasRow
	return !same || v.hasReject(t.root.instance), nil
}

// present is the retained row of a record in the layout of the plan that runs.
func (v *evaluator) present(r *record) (cdc.Row, bool, error) {
	if !r.exists {
		return nil, false, nil
	}
	row, ok := v.t.root.present(r, &v.builder)
	if !ok {
		return nil, false, fmt.Errorf("evaluate %s of %s: %w", v.t.key.Text(), v.t.root.name, errLacksColumn)
	}
	if r.layout != v.t.root.layout {
		v.next.hash = hashBytes(row)
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
func (v *evaluator) merge(row cdc.Row) (cdc.Row, error) {
	if sentWhole(row) {
		return row, nil
	}
	before, ok, err := v.present(&v.old)
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
func (v *evaluator) rescanned() bool {
	return v.g.stored.Roots[v.t.root.name].Backfill == backfillRescan
}

func (v *evaluator) hasReject(instance uint32) bool {
	for i := range v.old.rejects {
		if v.old.rejects[i].instance == instance {
			return true
		}
	}
	return false
}
