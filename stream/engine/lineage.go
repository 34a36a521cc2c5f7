package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// Lineage is the whole way from a source row to what was made of it, or from a sink's row back.
type Lineage struct {
	Subject    LineageNode   `json:"subject"`
	Upstream   []LineageNode `json:"upstream"`
	Downstream []LineageNode `json:"downstream"`
}

// LineageNode is one row on the way.
type LineageNode struct {
	Kind  string `json:"kind"` // source, step, sink
	Name  string `json:"name"`
	Key   string `json:"key"`
	Epoch uint64 `json:"epoch"`
	At    string `json:"at,omitempty"`  // RFC 3339; not known of all rows
	Logic string `json:"logic"`         // fingerprint of what made it; empty for a source
	Why   string `json:"why,omitempty"` // it was computed at that time, in words; not known of all rows
}

// NotFoundError says that nothing is known under a key, or under a name.
type NotFoundError struct{ What, Try string }

func (e *NotFoundError) Error() string { return e.What + " is not known" }

// Hint says what is known, where that can be told.
func (e *NotFoundError) Hint() string { return e.Try }

// Lineage answers for `<source>/<key>`, `<sink>/<key>` or the key of a sink's row alone.
func (e *Engine) Lineage(subject string) (*Lineage, error) {
	return lineageOf(e.db, e.graph, subject)
}

// StoppedLineage answers from the state of a stopped flow.
func StoppedLineage(db *statestore.DB, plan *stream.Plan, subject string) (*Lineage, error) {
	stored, err := loadPlan(db)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, &NotFoundError{What: subject}
	}
	next, _ := migrate(stored, plan, "")
	return lineageOf(db, buildGraph(plan, next), subject)
}

// lineageOf takes a key as a search shows it as well, which names no sink: the first sink that has it answers.
func lineageOf(db *statestore.DB, g *graph, subject string) (*Lineage, error) {
	l, err := lineageNamed(db, g, subject)
	if _, none := errors.AsType[*NotFoundError](err); !none {
		return l, err
	}
	for _, t := range g.targets {
		if t.building.Load() || t.gone.Load() {
			continue
		}
		l, shown := sinkLineage(db, g, t, subject, subject)
		if _, none := errors.AsType[*NotFoundError](shown); !none {
			return l, shown
		}
	}
	return nil, err
}

func lineageNamed(db *statestore.DB, g *graph, subject string) (*Lineage, error) {
	name, text, ok := strings.Cut(subject, "/")
	if !ok {
		return nil, &NotFoundError{What: subject}
	}
	for _, r := range g.roots {
		if r.name != name {
			continue
		}
		key, err := cdc.ParseKeyText(r.keyTypes, text)
		if err != nil {
			return nil, &NotFoundError{What: subject}
		}
		rec, err := readOwner(db, r, key)
		if err != nil || rec == nil || !rec.exists {
			return nil, notFound(subject, err)
		}
		l := &lineage{g: g, root: r, owner: key, rec: rec}
		return &Lineage{Subject: l.source(), Upstream: []LineageNode{}, Downstream: l.behind()}, nil
	}
	for _, t := range g.targets {
		if t.name == name && !t.building.Load() && !t.gone.Load() {
			return sinkLineage(db, g, t, subject, text)
		}
	}
	var names []string
	for _, r := range g.roots {
		names = append(names, r.name)
	}
	for _, t := range g.targets {
		if !t.building.Load() && !t.gone.Load() {
			names = append(names, t.name)
		}
	}
	return nil, &NotFoundError{What: fmt.Sprintf("a source or sink named %q", name),
		Try: "a key is written <source>/<key> or <sink>/<_key>, or as a search shows it; " + stream.DidYouMean("sources and sinks", name, names)}
}

func notFound(subject string, err error) error {
	if err != nil {
		return err
	}
	return &NotFoundError{What: subject}
}

func readOwner(db *statestore.DB, r *root, key cdc.Key) (*record, error) {
	value, ok, err := db.State.Get(ownerKey(nil, r, key))
	if err != nil || !ok {
		return nil, err
	}
	rec := &record{}
	return rec, rec.decode(value)
}

// sinkLineage finds the owner that a sink's key begins with, or the contributors of a chosen key.
func sinkLineage(db *statestore.DB, g *graph, t *target, subject, text string) (*Lineage, error) {
	if input, key := inputOf(t, text); input >= 0 {
		l, err := sinkLineageIn(db, g, t, subject, key, input)
		if _, none := errors.AsType[*NotFoundError](err); !none {
			return l, err
		}
	}
	return sinkLineageIn(db, g, t, subject, text, -1)
}

// sinkLineageIn looks in one collection of the target alone; -1: in all.
func sinkLineageIn(db *statestore.DB, g *graph, t *target, subject, text string, only int) (*Lineage, error) {
	var types []cdc.Type
	for _, c := range t.sink.Inputs[max(only, 0)].Key {
		types = append(types, c.Type)
	}
	key, err := cdc.ParseKeyText(types, text)
	if err != nil {
		return nil, &NotFoundError{What: subject}
	}
	if t.shared {
		from, to := statestore.SpanOfOwner(statestore.Key{VNode: vnode, Space: statestore.SpaceContributors, Instance: t.instance, Owner: key})
		var first []byte
		if err := db.State.Scan(from, to, func(k, _ []byte) error {
			parsed, err := statestore.ParseKey(k)
			if err == nil {
				first, err = append([]byte(nil), parsed.Child[1:]...), statestore.ErrStop
			}
			return err
		}); err != nil {
			return nil, err
		}
		key = first
	}
	for input, from := range t.sink.From {
		if from >= len(g.plan.Collections) || only >= 0 && input != only {
			continue
		}
		for _, r := range g.roots {
			if r.collection != g.plan.Collections[from].Root {
				continue
			}
			owner, child, err := splitOwner(key, len(r.keyTypes))
			if err != nil {
				continue
			}
			rec, err := readOwner(db, r, owner)
			if err != nil {
				return nil, err
			}
			if rec == nil {
				continue
			}
			if sec := rec.sink(t.instance); sec != nil {
				for i := range sec.entries {
					if e := &sec.entries[i]; e.input == input && string(e.key) == string(child) {
						l := &lineage{g: g, root: r, owner: owner, rec: rec}
						return &Lineage{Subject: l.sinkNode(t, e), Upstream: l.before(t, e), Downstream: []LineageNode{}}, nil
					}
				}
			}
		}
	}
	return nil, &NotFoundError{What: subject}
}

// inputOf finds the collection that a key of a target with several names before a slash, as logs of lines write it; -1: none.
func inputOf(t *target, text string) (input int, key string) {
	if len(t.sink.Inputs) > 1 {
		for i := range t.sink.Inputs {
			if key, ok := strings.CutPrefix(text, t.sink.Inputs[i].Name+"/"); ok {
				return i, key
			}
		}
	}
	return -1, text
}

// splitOwner cuts a key behind its first columns.
func splitOwner(key cdc.Key, columns int) (owner cdc.Key, child []byte, err error) {
	parts, err := key.Parts()
	if err != nil || len(parts) < columns {
		return nil, nil, cdc.ErrKey
	}
	var prefix []byte
	for _, p := range parts[:columns] {
		state := cdc.Set
		if p.Null {
			state = cdc.Null
		}
		if prefix, err = cdc.AppendKeyValue(prefix, p.Kind, cdc.Value{State: state, Raw: p.Raw}); err != nil {
			return nil, nil, err
		}
	}
	return prefix, key[len(prefix):], nil
}

// lineage walks one owner's record.
type lineage struct {
	g     *graph
	root  *root
	owner cdc.Key
	rec   *record
}

func (l *lineage) source() LineageNode {
	return LineageNode{Kind: "source", Name: l.root.name, Key: l.owner.Text(), At: timeText(l.rec.time)}
}

func (l *lineage) keyText(child []byte) string {
	return cdc.Key(append(slices.Clone(l.owner), child...)).Text()
}

func (l *lineage) sinkNode(t *target, e *sinkEntry) LineageNode {
	key := l.keyText(e.key)
	if t.shared {
		key = cdc.Key(e.to).Text()
	}
	return LineageNode{Kind: "sink", Name: t.name, Key: key, Epoch: e.epoch, At: timeText(e.at * 1e6), Logic: t.sink.Logic.String(), Why: l.g.why(l.rec, e.epoch)}
}

// behind lists what was made of the owner: the rows of cheap steps as far as
// the rows behind them show them, those of expensive steps, and those of sinks.
func (l *lineage) behind() []LineageNode {
	nodes := []LineageNode{}
	for s := range l.g.plan.Steps {
		nodes = append(nodes, l.stepNodes(s)...)
	}
	for _, t := range l.g.targets {
		sec := l.rec.sink(t.instance)
		if sec == nil || t.building.Load() || t.gone.Load() {
			continue
		}
		for i := range sec.entries {
			nodes = append(nodes, l.sinkNode(t, &sec.entries[i]))
		}
	}
	return nodes
}

// stepNodes lists the rows of a step. Those of a cheap step are not stored; each is known by the rows
// that were made of it.
func (l *lineage) stepNodes(s int) []LineageNode {
	step := l.g.plan.Steps[s]
	if step.Hidden {
		return nil
	}
	logic := l.g.plan.Collections[step.Out].Logic.String()
	var nodes []LineageNode
	for _, c := range l.children(step.Out) {
		nodes = append(nodes, LineageNode{Kind: "step", Name: step.Name, Key: l.keyText(c.child), Epoch: c.epoch, At: timeText(c.at * 1e6), Logic: logic,
			Why: l.g.why(l.rec, c.epoch)})
	}
	return nodes
}

// child is a row of a collection as the record knows it.
type child struct {
	child []byte
	epoch uint64
	at    int64
}

// children are the rows of a collection: those that the step which makes it has emitted, or those that
// the nearest expensive steps and sinks behind it hold.
func (l *lineage) children(collection int) []child {
	c := l.g.plan.Collections[collection]
	if c.Step >= 0 {
		if n := l.g.byStep[c.Step]; n != nil {
			return l.emitted(n)
		}
	}
	seen := map[string]int{} // place in all, by child
	var all []child
	add := func(more []child) {
		for _, m := range more {
			if at, ok := seen[string(m.child)]; !ok {
				seen[string(m.child)] = len(all)
				all = append(all, m)
			} else if all[at].epoch < m.epoch {
				all[at] = m
			}
		}
	}
	for _, s := range c.Steps {
		add(l.cut(l.children(l.g.plan.Steps[s].Out), len(c.Schema.Key)))
	}
	for _, s := range c.Sinks {
		for _, t := range l.g.bySink[s.Sink] {
			if sec := l.rec.sink(t.instance); sec != nil {
				for i := range sec.entries {
					if e := &sec.entries[i]; e.input == s.Input {
						add([]child{{child: e.key, epoch: e.epoch, at: e.at}})
					}
				}
			}
		}
	}
	return all
}

// cut makes of rows those that they were made of, whose key has so many columns: a step that makes several rows of one adds
// columns to its key.
func (l *lineage) cut(rows []child, columns int) []child {
	var all []child
	for _, r := range rows {
		key, _, err := splitOwner(append(slices.Clone(l.owner), r.child...), columns)
		if err != nil {
			continue // made of several rows: its key is not one that begins with theirs
		}
		r.child = key[len(l.owner):]
		all = append(all, r)
	}
	return all
}

func (l *lineage) emitted(n *callNode) []child {
	sec := l.rec.call(n.instance)
	if sec == nil {
		return nil
	}
	all := make([]child, len(sec.emitted))
	for i := range sec.emitted {
		e := &sec.emitted[i]
		all[i] = child{child: e.child, epoch: e.epoch, at: e.at}
	}
	return all
}

// before lists what a sink's row was made of: the rows of the steps on its way whose key its own begins
// with, and the source row.
func (l *lineage) before(t *target, e *sinkEntry) []LineageNode {
	nodes := []LineageNode{}
	for at := t.sink.From[e.input]; l.g.plan.Collections[at].Step >= 0; {
		s := l.g.plan.Collections[at].Step
		for _, n := range l.stepNodes(s) {
			if key := l.keyText(e.key); n.Key == key || strings.HasPrefix(key, n.Key+"/") || n.Key == l.owner.Text() {
				nodes = append(nodes, n)
			}
		}
		at = l.g.plan.Steps[s].From
	}
	return append(nodes, l.source())
}
