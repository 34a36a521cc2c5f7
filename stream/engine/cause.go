package engine

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// cause is why rows of an owner were made in an epoch. A record keeps one for each epoch that its entries name, so that
// lineage can say of every row why it was computed last.
type cause struct {
	epoch uint64
	kind  causeKind
	// of is the number that the plan got, of causeLogic; the layout of the row, of causeFields.
	of uint64
	// fields are those that changed, of causeFields: bit i for column i of the layout, the last bit for all from there
	// on. 0: the row before was not kept, so that nobody knows.
	fields uint64
}

type causeKind uint8

const (
	causeNone   causeKind = iota
	causeNew              // the source had not held the row before
	causeFields           // the row changed
	causeGone             // the source holds it no more
	causeLogic            // what is made of rows changed
	causeAsked            // a person asked for another try
)

// causesMost bounds the causes of one record; of rows that are older the cause is forgotten.
const causesMost = 16

// explain notes in the record why it changes now, and forgets causes that no entry names any more.
func (v *evaluator) explain(rowChanged bool) {
	n := &v.next
	n.causes = n.causes[:0]
	if n.waits() || n.names(v.epoch) {
		if c := v.cause(rowChanged); c.kind != causeNone {
			c.epoch = v.epoch
			n.causes = append(n.causes, c)
		}
	}
	for _, c := range v.old.causes {
		if len(n.causes) < causesMost && c.epoch != v.epoch && n.names(c.epoch) {
			n.causes = append(n.causes, c)
		}
	}
}

// cause is why the owner is being evaluated. An answer to a call has the cause of the call.
func (v *evaluator) cause(rowChanged bool) cause {
	logic := v.old.plan != v.next.plan && v.old.plan != 0
	if v.t.changed && rowChanged {
		switch {
		case !v.next.exists:
			return cause{kind: causeGone}
		case !v.old.exists:
			return cause{kind: causeNew}
		}
		// A row that was read again because more of its columns are needed has not changed.
		if fields := v.fields(); fields != 0 || !logic {
			return cause{kind: causeFields, of: v.next.layout, fields: fields}
		}
	}
	switch {
	case len(v.t.retry) > 0:
		return cause{kind: causeAsked}
	case logic:
		return cause{kind: causeLogic, of: v.next.plan}
	case len(v.old.causes) > 0:
		return v.old.causes[0]
	}
	return cause{}
}

// fields compares the row with the one before it.
func (v *evaluator) fields() (changed uint64) {
	if !v.old.hasRow || v.old.layout != v.next.layout || len(v.old.row) == 0 || len(v.next.row) == 0 {
		return 0
	}
	for i := range v.next.row.Len() {
		if was, is := v.old.row.At(i), v.next.row.At(i); was.State != is.State || string(was.Raw) != string(is.Raw) {
			changed |= 1 << min(i, 63)
		}
	}
	return changed
}

// waits reports whether a call of the owner is not answered yet.
func (r *record) waits() bool {
	for i := range r.calls {
		if r.calls[i].held {
			return true
		}
	}
	return false
}

// names reports whether an entry was made in an epoch.
func (r *record) names(epoch uint64) bool {
	for i := range r.calls {
		for k := range r.calls[i].emitted {
			if r.calls[i].emitted[k].epoch == epoch {
				return true
			}
		}
	}
	for i := range r.sinks {
		for k := range r.sinks[i].entries {
			if r.sinks[i].entries[k].epoch == epoch {
				return true
			}
		}
	}
	return false
}

func (c *cause) append(b []byte) []byte {
	b = append(binary.AppendUvarint(b, c.epoch), byte(c.kind))
	return binary.AppendUvarint(binary.AppendUvarint(b, c.of), c.fields)
}

func (d *reader) cause() cause {
	return cause{epoch: d.uint(), kind: causeKind(d.byte()), of: d.uint(), fields: d.uint()}
}

// why says in words why an owner's rows of an epoch were made; empty where that is not known.
func (g *graph) why(r *record, epoch uint64) string {
	for i := range r.causes {
		if r.causes[i].epoch == epoch {
			return g.words(&r.causes[i])
		}
	}
	return ""
}

func (g *graph) words(c *cause) string {
	switch c.kind {
	case causeNew:
		return "its source row was new"
	case causeFields:
		if names := g.columns(c); len(names) > 0 {
			return "changed in its source row: " + strings.Join(names, ", ")
		}
		return "its source row changed"
	case causeGone:
		return "its source row was deleted"
	case causeLogic:
		if nodes := g.stored.Changes[c.of]; len(nodes) > 0 {
			return "changed in the flow: " + strings.Join(nodes, ", ")
		}
		return fmt.Sprintf("the flow changed (plan %d)", c.of)
	case causeAsked:
		return "another try was asked for"
	}
	return ""
}

// columns names the columns that changed.
func (g *graph) columns(c *cause) (names []string) {
	for i, column := range g.stored.Layouts[c.of] {
		if c.fields>>min(i, 63)&1 == 1 {
			name, _, _ := strings.Cut(column, " ")
			names = append(names, name)
		}
	}
	return names
}
