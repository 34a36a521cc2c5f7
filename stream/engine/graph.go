package engine

import (
	"sync/atomic"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// graph is a plan as the loop runs it, with the instances under which the state keeps what belongs to
// its nodes. It is immutable but for the targets' part in a swap, which only the loop changes.
type graph struct {
	plan    *stream.Plan
	stored  *storedPlan
	roots   []*root
	byPlace [][]*root   // by source, by place among its collections
	calls   []*callNode // by order of the steps
	byStep  []*callNode // by step; nil for mappers
	targets []*target   // every instance that is written to
	bySink  [][]*target // by sink of the plan: the instances that take its rows
	mappers []uint32    // instances of mapper steps, by step; 0 for callers
	names   map[uint32]string
}

// root is a source collection: where owners are.
type root struct {
	index      int // among graph.roots
	collection int
	source     int
	place      int // among the source's collections
	name       string
	instance   uint32
	layout     uint64
	retained   bool
	vanished   bool // it has left the flow: what its owners hold goes
	schema     *cdc.Schema
	keyTypes   []cdc.Type
	// projections turn a retained row of an older layout into the present one; nil where it lacks a column.
	projections map[uint64][]int
}

// callNode is an expensive step.
type callNode struct {
	index    int
	step     *stream.StepNode
	instance uint32
	caller   stream.Caller
	logic    []byte
	byRef    bool // downstream rows carry a reference instead of the result
	inline   stream.InlineModel
	model    *modelRun
	targets  []*target // that lie behind it
}

// target is one instance of a sink.
type target struct {
	index      int
	sink       *stream.SinkNode
	number     int // index into Plan.Sinks
	name       string
	instance   uint32
	retiring   bool        // it serves until its successor is complete and takes nothing but removals
	building   atomic.Bool // it does not serve yet; set by the loop
	replaced   bool        // its successor serves; guarded by Engine.mu
	gone       atomic.Bool // it has been replaced and removed; set by the loop
	overflow   bool        // it is far behind: its effects are put off
	shared     bool        // rows of different owners may meet in one key
	plan       *stream.Plan
	behindCall bool    // an expensive step lies before it: it is atomic by owner, not by source transaction
	require    [][]int // by input: fields of the target's row that must not be null
	shapes     []shape // by input: which columns its rows have
	delivery   *delivery
	probes     []probe        // of the sources that feed it
	searches   atomic.Int64   // under way: the target is not removed before they end
	held       []cdc.Position // by source: what it is known to hold; guarded by Engine.mu
}

func buildGraph(plan *stream.Plan, stored *storedPlan) *graph {
	g := &graph{plan: plan, stored: stored, byStep: make([]*callNode, len(plan.Steps)), mappers: make([]uint32, len(plan.Steps)),
		bySink: make([][]*target, len(plan.Sinks)), byPlace: make([][]*root, len(plan.Sources)), names: map[uint32]string{}}
	for i, c := range plan.Collections {
		if c.Source >= 0 {
			g.addRoot(i, c)
		}
	}
	for name, st := range stored.Vanished {
		r := &root{index: len(g.roots), collection: -1, source: -1, name: name, instance: st.Instance, vanished: true}
		g.roots = append(g.roots, r)
		g.names[r.instance] = name
	}
	for i, s := range plan.Sinks {
		st := stored.Sinks[s.Name]
		t := &target{index: len(g.targets), sink: s, number: i, name: s.Name, instance: st.Instance, plan: plan}
		t.building.Store(st.Building)
		t.bind()
		g.targets = append(g.targets, t)
		g.bySink[i] = append(g.bySink[i], t)
		g.names[t.instance] = s.Name
	}
	for i, s := range plan.Steps {
		instance := stored.Steps[s.Name].Instance
		g.names[instance] = s.Name
		if s.Caller == nil {
			g.mappers[i] = instance
			continue
		}
		n := &callNode{index: len(g.calls), step: s, instance: instance, caller: s.Caller, logic: s.Caller.Calls().Logic}
		n.byRef = s.Caller.Calls().ByReference && !readsResult(plan, s)
		n.inline, _ = s.Caller.Calls().Model.(stream.InlineModel)
		n.targets = g.targetsBehind(s.Out)
		for _, t := range n.targets {
			t.behindCall = true
		}
		g.calls = append(g.calls, n)
		g.byStep[i] = n
	}
	return g
}

func (g *graph) addRoot(i int, c *stream.CollectionNode) {
	st := g.stored.Roots[c.Name]
	source := g.plan.Sources[c.Source]
	r := &root{index: len(g.roots), collection: i, source: c.Source, place: len(g.byPlace[c.Source]), name: c.Name,
		instance: st.Instance, layout: st.Layout, retained: st.Retained, schema: c.Schema, keyTypes: c.KeyTypes(),
		projections: map[uint64][]int{}}
	for layout, columns := range g.stored.Layouts {
		r.projections[layout] = projection(columns, layoutOf(c))
	}
	g.roots = append(g.roots, r)
	g.byPlace[c.Source] = append(g.byPlace[c.Source], r)
	g.names[r.instance] = source.Name
}

// projection finds the wanted columns among those of an older layout.
func projection(have, want []string) []int {
	place := make(map[string]int, len(have))
	for i, c := range have {
		place[c] = i
	}
	fields := make([]int, len(want))
	for i, c := range want {
		at, ok := place[c]
		if !ok {
			return nil
		}
		fields[i] = at
	}
	return fields
}

func (t *target) bind() {
	for i, input := range t.sink.Inputs {
		t.shared = t.shared || t.sink.Key[i] != nil
		var fields []int
		for _, name := range t.sink.Binding.Require {
			if at := input.Schema.Index(name); at >= 0 {
				fields = append(fields, at)
			}
		}
		t.require = append(t.require, fields)
		t.shapes = append(t.shapes, shape(hashBytes([]byte(input.Schema.String()))))
	}
}

// shape identifies the columns of a target's rows. The same bytes under other names are another row.
type shape rowHash

func (s shape) bytes() []byte { return s[:8:8] }

func (s shape) hash(row cdc.Row) rowHash {
	h := hashBytes(row)
	for i := range h {
		h[i] ^= s[i]
	}
	return h
}

// readsResult reports whether a step behind s looks into the column that s adds, or a target's key is made
// of it.
func readsResult(plan *stream.Plan, s *stream.StepNode) bool {
	in, out := plan.Collections[s.From].Schema, plan.Collections[s.Out]
	added := map[string]bool{}
	for _, c := range out.Schema.Columns {
		if at := in.Index(c.Name); at < 0 || !in.Columns[at].Type.Equal(c.Type) {
			added[c.Name] = true
		}
	}
	var reads func(c *stream.CollectionNode) bool
	reads = func(c *stream.CollectionNode) bool {
		for _, to := range c.Sinks {
			for _, field := range plan.Sinks[to.Sink].Key[to.Input] {
				if added[c.Schema.Columns[field].Name] {
					return true
				}
			}
		}
		for _, i := range c.Steps {
			step := plan.Steps[i]
			for _, name := range step.Bound().Reads() {
				if added[name] {
					return true
				}
			}
			if reads(plan.Collections[step.Out]) {
				return true
			}
		}
		return false
	}
	return reads(out)
}

// instanceOf is the instance of a step. Unlike the stored plan, which the loop changes, anybody may read it.
func (g *graph) instanceOf(step int) uint32 {
	if n := g.byStep[step]; n != nil {
		return n.instance
	}
	return g.mappers[step]
}

// callOf finds the expensive step of an instance; nil: there is none any more.
func (g *graph) callOf(instance uint32) *callNode {
	for _, n := range g.calls {
		if n.instance == instance {
			return n
		}
	}
	return nil
}

// targetsOf are the targets behind the step of an instance.
func (g *graph) targetsOf(instance uint32) []*target {
	for s, step := range g.plan.Steps {
		if g.mappers[s] == instance || g.byStep[s] != nil && g.byStep[s].instance == instance {
			return g.targetsBehind(step.Out)
		}
	}
	return nil
}

func (g *graph) targetsBehind(collection int) []*target {
	c := g.plan.Collections[collection]
	var behind []*target
	for _, s := range c.Sinks {
		behind = append(behind, g.bySink[s.Sink]...)
	}
	for _, s := range c.Steps {
		behind = append(behind, g.targetsBehind(g.plan.Steps[s].Out)...)
	}
	return behind
}
