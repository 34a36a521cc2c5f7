package engine

import (
	"bytes"
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// overtakeMax is how often in a row a newer input may overtake a wanted one before the version in
// progress completes first (I4).
const overtakeMax = 2

// wantedRow is a row at an expensive step with the call that it needs.
type wantedRow struct {
	rowRef
	call     stream.Fingerprint // zero: there is nothing to ask
	input    []byte             // set while the answer is missing
	rejected bool
}

// call settles an expensive step for the owner: what it wants, what is missing, and whether its outlet
// switches now (I8).
func (v *evaluator) call(n *callNode, rows []rowRef, depth int) {
	v.reached[n.index] = true
	old := v.old.call(n.instance)
	if old == nil {
		old = &callSection{instance: n.instance}
	}
	var pin []byte
	if old.held {
		pin = v.pin(n, old, rows)
	}
	if pin != nil {
		rows = unpackRows(pin)
	}
	wanted := v.wanted(n, rows)
	if v.err != nil {
		return
	}
	missing := v.missing(n, old, wanted)
	if v.err != nil {
		return
	}
	sec := callSection{instance: n.instance, emitted: old.emitted}
	switched := len(missing) == 0
	if len(missing) > 0 {
		v.hold(n, old, &sec, wanted, missing, pin)
		if most := n.step.Options.MaxHold; most == 0 || v.now-sec.since < most.Microseconds() {
			v.next.calls = append(v.next.calls, sec)
			return
		}
		// The hold has lasted: what is gone goes now, what is new still waits.
		wanted = slices.DeleteFunc(wanted, func(row wantedRow) bool { return row.rejected || !findCall(old.emitted, &row) })
		sec.emitted = v.emit(n, old, wanted)
	} else {
		sec.emitted = v.emit(n, old, wanted)
		if old.held {
			v.out.held = append(v.out.held, hold{root: v.t.root, key: v.t.key, node: n, again: pin != nil})
		}
		if pin != nil {
			// I2: until the newest input has been looked at, the owner stays among those that wait.
			sec.held, sec.since, sec.origin = true, old.since, old.origin
		}
	}
	v.next.calls = append(v.next.calls, sec)
	f := v.frame(depth)
	v.outlet(n, wanted, f)
	if v.err != nil {
		return
	}
	v.refs(f, v.g.plan.Collections[n.step.Out].Schema)
	v.walk(n.step.Out, f.refs, depth+1)
	if pin != nil && switched {
		v.repeat() // the newest input has waited for the pinned one
	}
}

// wanted lists the calls that the rows need, by child.
func (v *evaluator) wanted(n *callNode, rows []rowRef) []wantedRow {
	wanted := make([]wantedRow, 0, len(rows))
	for _, r := range rows {
		input, ok, err := n.caller.Input(v.input[:0], r.row)
		if err != nil {
			v.refuse(n.step, n.instance, r, "operator_error", err.Error())
			continue
		}
		v.input = input[:0]
		row := wantedRow{rowRef: r}
		if ok {
			row.call = stream.FingerprintOf(n.logic, input)
		}
		wanted = append(wanted, row)
	}
	slices.SortFunc(wanted, func(a, b wantedRow) int { return bytes.Compare(a.child, b.child) })
	return wanted
}

// missing finds the calls that nobody has answered: not emitted, not in the memo, not refused.
// A cheap model answers here and now.
func (v *evaluator) missing(n *callNode, old *callSection, wanted []wantedRow) []want {
	var missing []want
	for i := range wanted {
		row := &wanted[i]
		if row.call.IsZero() || findCall(old.emitted, row) {
			continue
		}
		if row.rejected = v.rejected(n, row); row.rejected {
			continue
		}
		found, err := v.memo.has(row.call)
		if err != nil {
			v.err = err
			return nil
		}
		if found {
			if !findCall(old.wanted, row) { // what was waited for has been paid, or was counted when the wait began
				v.out.stats[n.index].hits++
			}
			continue
		}
		input, _, err := n.caller.Input(nil, row.row)
		if err != nil {
			v.err = err
			return nil
		}
		if n.inline == nil {
			missing = append(missing, want{call: row.call, input: input})
			continue
		}
		result, paid, err := v.memo.inline(n, row.call, input)
		if err != nil {
			v.err = err
			return nil
		}
		if paid {
			v.out.stats[n.index].calls++
			v.paid++
			if v.err = v.remember(memoWrite{call: row.call, value: result}); v.err != nil {
				return nil
			}
		} else {
			v.out.stats[n.index].hits++
		}
	}
	return missing
}

// remember keeps what an inline model has answered until the commit makes it durable. I9: where it is much, it is made so at
// once, since a row can have any number of children.
func (v *evaluator) remember(m memoWrite) error {
	v.out.memo = append(v.out.memo, m)
	if v.out.remembered += len(m.value); int64(v.out.remembered) < v.fanout/4 {
		return nil
	}
	kept := v.out.memo
	v.out.memo, v.out.remembered = nil, 0
	return v.memo.keep(kept)
}

// rejected reports whether the model's no to this very call still stands, or has just come.
func (v *evaluator) rejected(n *callNode, row *wantedRow) bool {
	for i := range v.t.refused {
		r := &v.t.refused[i]
		if r.call == row.call {
			v.out.stats[n.index].rejected++
			if n.step.Options.OnError == stream.Fail {
				v.err = &StepError{Step: n.step.Name, Key: v.t.key.Text(), Message: r.message}
				return true
			}
			v.reject(n.instance, row.child, row.call, r.code, r.message, v.describe(n.step.From, row.row), r.attempts)
			v.replied(n.instance, row.child, r.reply)
			return true
		}
	}
	return v.keepReject(n.instance, row.child, row.call)
}

// hold keeps the outlet as it is until the last missing call is answered.
func (v *evaluator) hold(n *callNode, old, sec *callSection, wanted []wantedRow, missing []want, pin []byte) {
	sec.held, sec.pinned = true, pin
	sec.since, sec.origin, sec.overtook = v.now, v.next.origin, 0
	if old.held {
		sec.since, sec.overtook = old.since, old.overtook
		sec.origin = min(old.origin, sec.origin)
		if v.t.changed && pin == nil && !sameWanted(old.wanted, wanted) {
			sec.overtook++
		}
	}
	for i := range wanted {
		if row := &wanted[i]; !row.rejected {
			sec.wanted = append(sec.wanted, callEntry{child: row.child, call: row.call})
		}
	}
	v.out.held = append(v.out.held, hold{root: v.t.root, key: v.t.key, node: n, wants: missing, live: v.t.live,
		origin: sec.origin, time: v.next.time, since: sec.since})
}

// pin decides whether the version in progress completes before the newest input is looked at, and
// gives its rows. They are derived from the row that the record still holds.
func (v *evaluator) pin(n *callNode, old *callSection, rows []rowRef) []byte {
	if len(rows) == 0 {
		return nil // removals wait for nothing
	}
	if len(old.pinned) > 0 {
		return v.out.arena.copy(old.pinned)
	}
	if !v.t.changed || old.overtook < overtakeMax || !v.old.exists {
		return nil
	}
	before, ok := v.derive(n.step.From)
	if !ok {
		return nil
	}
	return before
}

// derive packs the rows that a collection had under the record's old row. ok is false where another
// expensive step lies in between.
func (v *evaluator) derive(collection int) (packed []byte, ok bool) {
	var path []int
	for c := v.g.plan.Collections[collection]; c.Step >= 0; c = v.g.plan.Collections[v.g.plan.Steps[c.Step].From] {
		if v.g.byStep[c.Step] != nil {
			return nil, false
		}
		path = append(path, c.Step)
	}
	row, _, err := v.present(&v.old)
	if err != nil {
		return nil, false
	}
	rows := []cdc.Row{row}
	for _, s := range slices.Backward(path) {
		var out stream.Rows
		for _, r := range rows {
			if err := v.g.plan.Steps[s].Mapper.Map(r, &out); err != nil {
				return nil, false
			}
		}
		rows = rows[:0]
		for i := range out.Len() {
			rows = append(rows, out.At(i))
		}
	}
	schema := v.g.plan.Collections[collection].Schema
	for _, r := range rows {
		key, err := schema.AppendKey(nil, r)
		if err != nil {
			return nil, false
		}
		packed = appendBytes(appendBytes(packed, key[len(v.t.key):]), r)
	}
	return packed, true
}

func unpackRows(packed []byte) []rowRef {
	d := reader{b: packed}
	var rows []rowRef
	for len(d.b) > 0 {
		child := d.bytes()
		rows = append(rows, rowRef{child: child, row: cdc.Row(d.bytes())})
	}
	return rows
}

// emit is what the outlet shows after the switch. Entries that stay keep when they were made.
func (v *evaluator) emit(n *callNode, old *callSection, wanted []wantedRow) []callEntry {
	entries := make([]callEntry, 0, len(wanted))
	for i := range wanted {
		row := &wanted[i]
		if row.rejected {
			if n.step.Options.OnError == stream.KeepStale {
				v.keepStale(old.instance, row.child)
			}
			continue
		}
		e := callEntry{child: row.child, call: row.call, epoch: v.epoch, at: v.now / 1e6}
		if at, ok := slices.BinarySearchFunc(old.emitted, row.child, func(e callEntry, child []byte) int { return bytes.Compare(e.child, child) }); ok && old.emitted[at].call == row.call {
			e.epoch, e.at = old.emitted[at].epoch, old.emitted[at].at
		}
		entries = append(entries, e)
	}
	return entries
}

// outlet builds the rows behind the step.
func (v *evaluator) outlet(n *callNode, wanted []wantedRow, f *frame) {
	var value []byte
	for i := range wanted {
		row := &wanted[i]
		if row.rejected {
			continue
		}
		result := cdc.Value{State: cdc.Null}
		switch {
		case row.call.IsZero():
		case n.byRef:
			result = cdc.Value{State: cdc.Reference, Raw: row.call[:]}
		default:
			var ok bool
			var err error
			if value, ok, err = v.memo.get(value[:0], row.call); err != nil || !ok {
				v.err = missingResult(n.step.Name, row.call, err)
				return
			}
			result.State, result.Raw = cdc.Set, value
		}
		f.rows.Builder.Reset()
		if err := n.caller.Output(&f.rows.Builder, row.row, result); err != nil {
			v.refuse(n.step, n.instance, row.rowRef, "invalid_output", err.Error())
			if v.err != nil {
				return
			}
			continue
		}
		f.rows.Emit()
	}
}

// findCall reports whether the outlet already shows the answer to the row's call; it is in the memo then,
// since the memo keeps what records refer to.
func findCall(emitted []callEntry, row *wantedRow) bool {
	at, ok := slices.BinarySearchFunc(emitted, row.child, func(e callEntry, child []byte) int { return bytes.Compare(e.child, child) })
	return ok && emitted[at].call == row.call
}

func sameWanted(old []callEntry, wanted []wantedRow) bool {
	i := 0
	for k := range wanted {
		if wanted[k].rejected {
			continue
		}
		if i == len(old) || old[i].call != wanted[k].call || !bytes.Equal(old[i].child, wanted[k].child) {
			return false
		}
		i++
	}
	return i == len(old)
}

// repeat asks for one more evaluation of the owner in the next epoch.
func (v *evaluator) repeat() {
	v.out.again = append(v.out.again, &task{root: v.t.root, key: bytes.Clone(v.t.key), force: true, live: v.t.live})
}
