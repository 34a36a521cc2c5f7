package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freshet/freshet/stream"
)

// migrate derives the plan to store from the one that is stored and the one to be run. changed
// reports whether logic differs: then every owner behind a changed node is evaluated again, and what
// comes out is diffed against what the records say, whatever way led there.
func migrate(old *storedPlan, plan *stream.Plan, text string) (next *storedPlan, changed bool) {
	n := &storedPlan{Number: old.Number, Flow: plan.Flow, Text: text, Next: old.Next, Layouts: maps.Clone(old.Layouts),
		Roots: map[string]storedRoot{}, Steps: map[string]storedStep{}, Sinks: map[string]storedSink{},
		Retiring: maps.Clone(old.Retiring), Dropped: slices.Clone(old.Dropped), Former: maps.Clone(old.Former), Changes: maps.Clone(old.Changes)}
	if n.Vanished = maps.Clone(old.Vanished); n.Vanished == nil {
		n.Vanished = map[string]storedRoot{}
	}
	if n.Layouts == nil {
		n.Layouts = map[uint64][]string{}
	}
	if n.Former == nil {
		n.Former = map[string]keyShapes{}
	}
	if n.Retiring == nil {
		n.Retiring = map[string]storedSink{}
	}
	dirty := map[int]bool{} // roots with changed logic behind them
	n.migrateSteps(old, plan, dirty)
	rekeyed := old.rekeyed(plan)
	n.migrateSinks(old, plan, dirty, rekeyed)
	n.migrateRoots(old, plan, dirty, rekeyed)
	n.Known = knownOf(plan)
	if changed = len(dirty) > 0 || old.Number == 0; changed {
		n.Number++
		n.tellChanges(old, plan)
	}
	return n, changed
}

// changesKept is of how many changes of logic it is remembered where they began.
const changesKept = 16

// tellChanges notes the steps and sinks that differ themselves, not only in what they are given.
func (n *storedPlan) tellChanges(old *storedPlan, plan *stream.Plan) {
	if old.Number == 0 {
		return
	}
	own := map[uint32]string{}
	for _, s := range old.Steps {
		own[s.Instance] = s.Own
	}
	differs := map[int]bool{} // collections
	var names []string
	for i, c := range plan.Collections {
		if c.Step < 0 {
			continue
		}
		s := plan.Steps[c.Step]
		if s.Hidden { // it is a part of its sink
			differs[i] = differs[s.From]
			continue
		}
		now := n.Steps[s.Name]
		changed := own[now.Instance] != now.Own
		if differs[i] = changed || differs[s.From]; changed {
			names = append(names, s.Name)
		}
	}
	for _, s := range plan.Sinks {
		before := slices.ContainsFunc(s.From, func(from int) bool { return differs[from] })
		if old.Sinks[s.Name].Logic != n.Sinks[s.Name].Logic && !before {
			names = append(names, s.Name)
		}
	}
	if n.Changes == nil {
		n.Changes = map[uint64][]string{}
	}
	n.Changes[n.Number] = names
	maps.DeleteFunc(n.Changes, func(number uint64, _ []string) bool { return number+changesKept <= n.Number })
}

func (n *storedPlan) migrateSteps(old *storedPlan, plan *stream.Plan, dirty map[int]bool) {
	kept := map[uint32]bool{}
	for _, s := range plan.Steps {
		was, ok := old.Steps[s.Name]
		if s.Options.Was != "" {
			if renamed, there := old.Steps[s.Options.Was]; there {
				was, ok = renamed, true
			}
		}
		logic := plan.Collections[s.Out].Logic.String()
		if !ok || kept[was.Instance] {
			was = storedStep{Instance: n.instance()}
		}
		if was.Logic != logic && s.Caller != nil {
			dirty[plan.Collections[s.Out].Root] = true
		}
		kept[was.Instance] = true
		n.Steps[s.Name] = storedStep{Instance: was.Instance, Logic: logic, Own: ownLogic(s), Model: modelOf(s)}
	}
	for _, s := range old.Steps {
		if !kept[s.Instance] {
			n.Dropped = append(n.Dropped, storedDrop{Instance: s.Instance})
		}
	}
}

// ownLogic identifies what a step does, whatever columns pass through it.
func ownLogic(s *stream.StepNode) string {
	return stream.FingerprintOf(s.Bound().Logic()).String()
}

// modelOf names who answers the calls of a step; empty where it makes none.
func modelOf(s *stream.StepNode) string {
	if s.Caller == nil {
		return ""
	}
	return stream.FingerprintOf(s.Caller.Calls().Model.Identity()).String()
}

func (n *storedPlan) migrateSinks(old *storedPlan, plan *stream.Plan, dirty map[int]bool, rekeyed map[string]bool) {
	for _, s := range plan.Sinks {
		next := storedSink{Logic: s.Logic.String(), Storage: s.Storage.String(), Keys: shapesOf(s), Swap: s.Swap && s.Binding.Beside}
		if s.Key[0] != nil {
			next.Key = keyNames(s)
		}
		for _, from := range s.From {
			next.Inputs = append(next.Inputs, plan.Collections[from].Name)
			next.Roots = append(next.Roots, plan.Collections[plan.Collections[from].Root].Name)
		}
		was, ok := old.Sinks[s.Name]
		next.Before = was.Before.with(was.Keys)
		if !ok {
			next.Before = n.Former[s.Name]
			delete(n.Former, s.Name)
		}
		switch {
		case !ok:
			next.Instance = n.instance()
		case was.Logic != next.Logic && next.Swap, !was.keeps(&next), slices.ContainsFunc(next.Roots, func(root string) bool { return rekeyed[root] }):
			n.replace(s.Name, was, &next, old.Text)
		case was.Logic == next.Logic:
			inputs, roots := next.Inputs, next.Roots
			next = was
			next.Inputs, next.Roots, next.Swap, next.Reset = inputs, roots, s.Swap && s.Binding.Beside, false
		default:
			next.Instance, next.Generation, next.Building, next.Reconcile = was.Instance, was.Generation, was.Building, was.Reconcile
		}
		if !ok || was.Reset || was.Logic != next.Logic || was.Instance != next.Instance {
			for _, from := range s.From {
				dirty[plan.Collections[from].Root] = true
			}
		}
		n.Sinks[s.Name] = next
	}
	for name, was := range old.Sinks {
		if _, ok := n.Sinks[name]; !ok {
			n.drop(name, was.Instance)
			n.Former[name] = was.Before.with(was.Keys)
		}
	}
	for name, was := range old.Retiring {
		if _, ok := n.Sinks[name]; !ok {
			n.drop(name, was.Instance)
			delete(n.Retiring, name)
		}
	}
}

// keeps reports whether a target can become the next one row by row.
func (s *storedSink) keeps(next *storedSink) bool {
	for _, root := range s.Roots {
		if !slices.Contains(next.Roots, root) {
			return false
		}
	}
	if len(s.Inputs) > 1 || len(next.Inputs) > 1 {
		if len(s.Inputs) > len(next.Inputs) || !slices.Equal(s.Inputs, next.Inputs[:len(s.Inputs)]) {
			return false
		}
	}
	return s.Storage == next.Storage && slices.Equal(s.Key, next.Key) && s.Keys.equal(next.Keys)
}

// replace gives a sink a new instance. With swap the one that serves goes on serving until the new one is
// complete; one that was never completed goes at once.
func (n *storedPlan) replace(name string, was storedSink, next *storedSink, text string) {
	next.Instance = n.instance()
	if !next.Swap {
		n.drop(name, was.Instance)
		if r, ok := n.Retiring[name]; ok {
			n.drop(name, r.Instance)
			delete(n.Retiring, name)
		}
		return
	}
	next.Building = true
	if was.Building {
		n.drop(name, was.Instance)
		return
	}
	was.Text = text
	n.Retiring[name] = was
}

// beside is the other instance of a target's sink while a swap is under way; 0: there is none.
func (p *storedPlan) beside(t *target) uint32 {
	if t.retiring {
		return p.Sinks[t.name].Instance
	}
	return p.Retiring[t.name].Instance
}

func (n *storedPlan) drop(sink string, instance uint32) {
	n.Dropped = append(n.Dropped, storedDrop{Instance: instance, Sink: sink})
}

// rekeyed are the source collections whose rows have another key than those that are held, and can be read again. What is held
// leaves as if its source had left the flow, since an owner's name is its key: under another one it would never be found again.
func (p *storedPlan) rekeyed(plan *stream.Plan) map[string]bool {
	rekeyed := map[string]bool{}
	for _, c := range plan.Collections {
		if c.Source < 0 || !plan.Sources[c.Source].Rescans {
			continue
		}
		was, ok := p.Roots[c.Name]
		rekeyed[c.Name] = ok && was.Key != "" && was.Key != keyOf(c) // a state of an older version does not say
	}
	return rekeyed
}

// learned reports whether the plan says of a root that is held what a state of an older version does not, or was told
// something else by servers.
func (p *storedPlan) learned(old *storedPlan) bool {
	if !p.Known.equal(&old.Known) {
		return true
	}
	for name, was := range old.Roots {
		if now, ok := p.Roots[name]; ok && was.Key == "" && now.Key != "" {
			return true
		}
	}
	return false
}

// keyOf names the key columns of a collection, and what they hold.
func keyOf(c *stream.CollectionNode) string {
	var columns []string
	for _, at := range c.Schema.Key {
		x := c.Schema.Columns[at]
		columns = append(columns, x.Name+" "+x.Type.Kind.String())
	}
	return strings.Join(columns, ", ")
}

func (n *storedPlan) migrateRoots(old *storedPlan, plan *stream.Plan, dirty map[int]bool, rekeyed map[string]bool) {
	for i, c := range plan.Collections {
		if c.Source < 0 {
			continue
		}
		was, ok := old.Roots[c.Name]
		if rekeyed[c.Name] {
			n.Vanished[fmt.Sprintf("%s/%d", c.Name, was.Instance)] = was
			ok = false
		}
		if !ok {
			was = storedRoot{Instance: n.instance()}
			dirty[i] = true // read from the start, also where its source has a position already
			if old.Number == 0 {
				delete(dirty, i) // as everything is in a new state
			}
		}
		next := storedRoot{Instance: was.Instance, Key: keyOf(c), Layout: was.Layout, Retained: retains(plan, i), Backfill: was.Backfill}
		columns := layoutOf(c)
		if ok && slices.Equal(n.Layouts[was.Layout], columns) {
			columns = nil
		}
		missing := false
		if columns != nil {
			next.Layout = uint64(len(n.Layouts)) + 1
			for _, name := range columns {
				missing = missing || ok && !slices.Contains(n.Layouts[was.Layout], name)
			}
			n.Layouts[next.Layout] = columns
		}
		if dirty[i] {
			next.Backfill = backfillScan
			if missing || !was.Retained || was.Rescan || was.Backfill == backfillRescan { // one under way goes on
				next.Backfill = backfillRescan
			}
		} else if ok && next.Retained && !was.Retained {
			next.Backfill = backfillRescan
			dirty[i] = true
		}
		n.Roots[c.Name] = next
	}
	for name, was := range old.Roots {
		if _, ok := n.Roots[name]; !ok {
			n.Vanished[fmt.Sprintf("%s/%d", name, was.Instance)] = was
			dirty[-1] = true
		}
	}
}
