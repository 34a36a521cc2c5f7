package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/cdc"
)

// planner turns a declared flow into a Plan: introspect, order, bind with every column, find the
// columns that are needed, bind again with just those.
type planner struct {
	flow   *Flow
	byName map[string]*draft
	drafts []*draft // collections: of sources, then of steps in topological order
	sinks  []*sinkDraft
	offers [][]Collection // by source
}

// draft is a collection in the making.
type draft struct {
	name   string
	source int // index into flow.sources, or -1
	place  int // index among the source's collections
	step   *stepDecl
	from   *draft
	bound  Bound
	schema *cdc.Schema     // of the current pass
	full   *cdc.Schema     // with every column
	needed map[string]bool // columns that somebody reads
	demand []string        // columns that a sink holds only where it names them
	index  int
}

type sinkDraft struct {
	decl    *sinkDecl
	from    []*draft
	columns [][]string // shown columns, then the hidden ones
	hidden  []int
	binding Binding
}

func (g *planner) introspect(ctx context.Context) error {
	var faults []error
	for i, s := range g.flow.sources {
		collections := s.assumed
		if collections == nil {
			var err error
			if collections, err = s.source.Collections(ctx); err != nil {
				faults = append(faults, sourceProblem(s.name, err))
				continue
			}
		}
		g.offers[i] = collections
		for place, c := range collections {
			d := &draft{name: collectionName(s.name, c), source: i, place: place, schema: c.Schema, full: c.Schema}
			g.byName[d.name] = d
			g.drafts = append(g.drafts, d)
		}
	}
	return errors.Join(faults...)
}

// sourceProblem names the source in the fault of its introspection.
func sourceProblem(name string, err error) error {
	var p *Problem
	if errors.As(err, &p) {
		return p.At(name)
	}
	var s *cdc.SourceError
	if errors.As(err, &s) {
		exit := 3
		if s.OfFlow() {
			exit = 2
		}
		return &Problem{Code: s.Code, Node: name, Field: "path", Message: s.Error(), Hint: s.Hint, Exit: exit}
	}
	return &Problem{Code: "server_unreachable", Node: name, Message: err.Error(), Exit: 3,
		Hint: "check the address and that the server runs"}
}

// order sorts the steps topologically; what is left over lies on a cycle.
func (g *planner) order() error {
	known := make(map[string]bool, len(g.flow.steps))
	candidates := make([]string, 0, len(g.byName)+len(g.flow.steps))
	for name := range g.byName {
		candidates = append(candidates, name)
	}
	for _, s := range g.flow.steps {
		known[s.name] = !s.hidden
		if !s.hidden {
			candidates = append(candidates, s.name)
		}
	}
	var faults []error
	unknown := func(node, from string) {
		faults = append(faults, &Problem{Code: "unknown_name", Node: node, Field: "from",
			Message: fmt.Sprintf("no source or step is named %q", from),
			Hint:    DidYouMean("sources and steps", from, candidates)})
	}
	for _, s := range g.flow.steps {
		if !known[s.from] && g.byName[s.from] == nil {
			unknown(s.name, s.from)
		}
	}
	left := slices.Clone(g.flow.steps)
	for progress := true; progress && len(faults) == 0; {
		progress = false
		var next []stepDecl
		for _, s := range left {
			from := g.byName[s.from]
			if from == nil {
				next = append(next, s)
				continue
			}
			d := &draft{name: s.name, source: -1, step: &s, from: from}
			g.byName[s.name] = d
			g.drafts = append(g.drafts, d)
			progress = true
		}
		left = next
	}
	if len(left) > 0 && len(faults) == 0 {
		faults = append(faults, circle(left))
	}
	for i := range g.flow.sinks {
		s := &sinkDraft{decl: &g.flow.sinks[i]}
		for _, from := range s.decl.from {
			if d := g.byName[from]; d != nil {
				s.from = append(s.from, d)
			} else if !known[from] && s.decl.options.Project == nil { // a projection's own step tells of it
				unknown(s.decl.name, from)
			}
		}
		g.sinks = append(g.sinks, s)
	}
	for i, d := range g.drafts {
		d.index = i
	}
	return errors.Join(faults...)
}

// circle names the steps of a circle among steps each of which reads another of them.
func circle(left []stepDecl) error {
	from := make(map[string]string, len(left))
	for _, s := range left {
		from[s.name] = s.from
	}
	at, seen := left[0].name, map[string]bool{} // it may lie behind the circle
	for ; !seen[at]; at = from[at] {
		seen[at] = true
	}
	names := []string{at}
	for next := from[at]; next != at; next = from[next] {
		names = append(names, next)
	}
	message := fmt.Sprintf("the step %q reads its own output", at)
	if len(names) > 1 {
		message += ", by way of " + strings.Join(names[1:], ", ")
	}
	return &Problem{Code: "cycle", Node: at, Field: "from", Message: message,
		Hint: "let one step of the circle read a source"}
}

func keepAll(string) bool { return true }

// bindAll binds with every column, to learn the full schemas and what the sinks take.
func (g *planner) bindAll() error {
	var faults []error
	for _, d := range g.drafts {
		if d.step == nil {
			continue
		}
		if d.from.full == nil {
			continue // its input did not bind: one fault is enough
		}
		bound, err := d.step.op.Bind(d.from.full, keepAll)
		if err != nil {
			faults = append(faults, atNode(d.step.name, err)...)
			continue
		}
		d.bound, d.full, d.schema = bound, bound.Schema(), bound.Schema()
		d.demand = d.from.demand
		if s, ok := bound.(Selective); ok {
			d.demand = s.OnDemand()
		}
	}
	for _, s := range g.sinks {
		faults = append(faults, s.bind()...)
	}
	return errors.Join(faults...)
}

func atNode(node string, err error) []error {
	var faults []error
	for _, p := range Problems(err) {
		faults = append(faults, p.At(node))
	}
	return faults
}

// bind checks the columns and the key that the flow names, and asks the sink what else it needs.
func (s *sinkDraft) bind() []error {
	var faults []error
	var in []Collection
	for _, d := range s.from {
		if d.full == nil {
			return nil
		}
		in = append(in, Collection{Name: d.name, Schema: d.full})
		faults = append(faults, s.named(d, "columns", s.decl.options.Columns)...)
		faults = append(faults, s.named(d, "key", s.decl.options.Key)...)
	}
	if len(faults) > 0 {
		return faults
	}
	binding, err := s.decl.sink.Bind(in)
	if err != nil {
		return atNode(s.decl.name, err)
	}
	s.binding = binding
	s.columns, s.hidden = make([][]string, len(s.from)), make([]int, len(s.from))
	for i, d := range s.from {
		shown := s.decl.options.Columns
		if shown == nil {
			shown = slices.DeleteFunc(d.full.Names(), func(c string) bool { return slices.Contains(d.demand, c) })
		}
		s.columns[i] = slices.Clone(shown)
		if i < len(binding.Columns) {
			for _, c := range binding.Columns[i] {
				if !slices.Contains(shown, c) {
					s.columns[i] = append(s.columns[i], c)
					s.hidden[i]++
				}
			}
		}
	}
	return nil
}

// named checks a list of columns: each is there and once there, and can be part of a key where it is to be.
func (s *sinkDraft) named(d *draft, field string, names []string) []error {
	var faults []error
	for i, c := range names {
		p := &Problem{Node: s.decl.name, Field: field + "." + c}
		switch at := d.full.Index(c); {
		case at < 0:
			p.Code, p.Message = "unknown_column", fmt.Sprintf("%q has no column %q", d.name, c)
			p.Hint = DidYouMean("columns", c, d.full.Names())
		case slices.Contains(names[:i], c):
			p.Code, p.Message = "bad_value", fmt.Sprintf("the column %q is named twice", c)
			p.Hint = "name it once"
		case field == "key" && !cdc.Keyable(d.full.Columns[at].Type.Kind):
			p.Code, p.Message = "wrong_type", fmt.Sprintf("%q is %s, which no key can hold", c, d.full.Columns[at].Type)
			p.Hint = "name columns of texts, numbers, times or the like"
		default:
			continue
		}
		faults = append(faults, p)
	}
	return faults
}

// need walks from the sinks back to the sources and marks the columns that somebody reads.
func (g *planner) need() {
	for _, d := range g.drafts {
		d.needed = map[string]bool{}
	}
	for _, s := range g.sinks {
		for i, d := range s.from {
			for _, c := range append(slices.Clone(s.columns[i]), s.decl.options.Key...) {
				d.needed[c] = true
			}
		}
	}
	for _, d := range slices.Backward(g.drafts) {
		if d.step == nil {
			continue
		}
		bound, err := d.step.op.Bind(d.from.full, d.keep)
		if err != nil {
			bound = d.bound // the second binding reports it
		}
		for _, c := range bound.Reads() {
			d.from.needed[c] = true
		}
		made := d.made(bound)
		for c := range d.needed {
			if d.from.full.Index(c) >= 0 && bound.Schema().Index(c) >= 0 && !made(c) {
				d.from.needed[c] = true
			}
		}
	}
}

// made tells which columns of a step's output it makes itself: those that it has also when it is given
// just what it reads. The others are passed on.
func (d *draft) made(bound Bound) func(column string) bool {
	reads := bound.Reads()
	alone, _ := d.from.full.Select(func(c string) bool { return slices.Contains(reads, c) })
	b, err := d.step.op.Bind(alone, d.keep)
	if err != nil {
		return func(string) bool { return false }
	}
	return func(c string) bool { return b.Schema().Index(c) >= 0 && alone.Index(c) < 0 }
}

func (d *draft) keep(column string) bool { return d.needed[column] }

// bindNeeded binds again, forwards, each operator to the pruned schema of its input.
func (g *planner) bindNeeded() error {
	var faults []error
	for _, d := range g.drafts {
		if d.step == nil {
			if rescans(g.flow.sources[d.source].source) {
				d.schema, _ = d.full.Select(d.keep)
			}
			continue
		}
		bound, err := d.step.op.Bind(d.from.schema, d.keep)
		if err != nil {
			faults = append(faults, atNode(d.step.name, err)...)
			continue
		}
		d.bound, d.schema = bound, bound.Schema()
	}
	return errors.Join(faults...)
}

func rescans(s Source) bool {
	r, ok := s.(Rescanner)
	return ok && r.Rescans()
}

func sparse(s Source) bool {
	x, ok := s.(Sparse)
	return ok && x.Sparse()
}
