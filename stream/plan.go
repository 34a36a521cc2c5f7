package stream

import (
	"github.com/freshet/freshet/cdc"
)

// Plan is a checked flow: what the engine runs. It is immutable.
type Plan struct {
	Flow        string
	Limits      Limits
	Sources     []*SourceNode
	Collections []*CollectionNode // of sources first, then of steps in topological order
	Steps       []*StepNode       // in topological order
	Sinks       []*SinkNode
}

// SourceNode is a source with the collections that it yields.
type SourceNode struct {
	Name        string
	Source      Source
	Offers      []Collection // what it has, or was assumed to have, as it names it
	Collections []int        // indices into Plan.Collections, in the source's own order
	Columns     [][]int      // columns carried, by collection
	Rescans     bool         // it can read its rows again at any time
	Sparse      bool         // its changes may leave out values that did not change
}

// CollectionNode is a collection with who yields it and who reads it.
type CollectionNode struct {
	Collection
	Source int         // index into Plan.Sources, or -1
	Step   int         // index into Plan.Steps, or -1
	Root   int         // the source collection that its rows descend from
	Logic  Fingerprint // of all that its rows depend on besides the source's rows
	Steps  []int       // steps that read it
	Sinks  []SinkInput // sinks that read it
}

// StepNode is a step with its bound operator.
type StepNode struct {
	Name    string
	Kind    string // first word of the operator's logic, for people
	From    int    // index into Plan.Collections
	Out     int    // index into Plan.Collections
	Mapper  Mapper // one of the two is set
	Caller  Caller
	Options StepOptions
	Hidden  bool        // it stands for the columns of a sink
	Logic   Fingerprint // of the operator alone
}

// Bound returns the operator, whichever of the two it is.
func (s *StepNode) Bound() Bound {
	if s.Caller != nil {
		return s.Caller
	}
	return s.Mapper
}

// SinkNode is a sink with what it receives.
type SinkNode struct {
	Name    string
	Sink    Sink
	Inputs  []SinkCollection // in the order of the declaration
	From    []int            // indices into Plan.Collections
	Columns [][]int          // fields of a row of From, in the order of Inputs' schemas
	Key     [][]int          // fields of a row of From that are the target's key; nil: the collection's own key
	Binding Binding
	Swap    bool
	Logic   Fingerprint // of all that its rows depend on
	Storage Fingerprint // of what fixes how they are stored
}

// SinkInput is one arrow from a collection to a sink.
type SinkInput struct {
	Sink  int // index into Plan.Sinks
	Input int // index into SinkNode.Inputs
}

// Reach lists the steps and sinks that lie behind a source collection.
func (p *Plan) Reach(root int) (steps []int, sinks []SinkInput) {
	for _, c := range p.Collections {
		if c.Root == root {
			steps = append(steps, c.Steps...)
			sinks = append(sinks, c.Sinks...)
		}
	}
	return steps, sinks
}

// Models are the models that the steps call, each once, by the order of the steps.
func (p *Plan) Models() []Model {
	var models []Model
	seen := map[string]bool{}
	for _, s := range p.Steps {
		if s.Caller == nil || seen[s.Caller.Calls().Model.Name()] {
			continue
		}
		seen[s.Caller.Calls().Model.Name()] = true
		models = append(models, s.Caller.Calls().Model)
	}
	return models
}

// KeyTypes are the types of a collection's key columns.
func (c *CollectionNode) KeyTypes() []cdc.Type { return c.Schema.KeyTypes() }
