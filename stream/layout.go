package stream

import (
	"bytes"
	"fmt"

	"github.com/freshet/freshet/cdc"
)

// plan lays out the nodes and their fingerprints.
func (g *planner) plan() *Plan {
	p := &Plan{Flow: g.flow.Name, Limits: g.flow.Limits}
	if p.Limits.MemoryBytes == 0 {
		p.Limits.MemoryBytes = DefaultMemoryBytes
	}
	if p.Limits.DiskFree == 0 {
		p.Limits.DiskFree = DefaultDiskFree
	}
	for i, s := range g.flow.sources {
		p.Sources = append(p.Sources, &SourceNode{Name: s.name, Source: s.source, Offers: g.offers[i], Rescans: rescans(s.source), Sparse: sparse(s.source)})
	}
	for _, d := range g.drafts {
		c := &CollectionNode{Collection: Collection{Name: d.name, Schema: d.schema}, Source: d.source, Step: -1, Root: d.index}
		if d.step == nil {
			node := p.Sources[d.source]
			node.Collections = append(node.Collections, d.index)
			_, columns := d.full.Select(func(name string) bool { return d.schema.Index(name) >= 0 })
			node.Columns = append(node.Columns, columns)
			c.Logic = FingerprintOf([]byte("source"), []byte(d.name))
		} else {
			g.planStep(p, c, d)
		}
		p.Collections = append(p.Collections, c)
	}
	for _, s := range g.sinks {
		s.plan(p)
	}
	return p
}

func (g *planner) planStep(p *Plan, c *CollectionNode, d *draft) {
	from := p.Collections[d.from.index]
	step := &StepNode{Name: d.step.name, From: d.from.index, Out: d.index, Options: d.step.options, Hidden: d.step.hidden,
		Logic: FingerprintOf([]byte("step"), d.bound.Logic(), []byte(d.schema.String()))}
	kind, _, _ := bytes.Cut(d.bound.Logic(), []byte{' '})
	step.Kind = string(kind)
	step.Mapper, _ = d.bound.(Mapper)
	step.Caller, _ = d.bound.(Caller)
	c.Step, c.Root = len(p.Steps), from.Root
	c.Logic = FingerprintOf(from.Logic[:], step.Logic[:])
	from.Steps = append(from.Steps, len(p.Steps))
	p.Steps = append(p.Steps, step)
}

func (s *sinkDraft) plan(p *Plan) {
	n := &SinkNode{Name: s.decl.name, Sink: s.decl.sink, Binding: s.binding, Swap: s.decl.options.Swap,
		Storage: FingerprintOf([]byte("storage"), s.binding.Storage)}
	parts := [][]byte{[]byte("sink")}
	for i, d := range s.from {
		var fields []int
		schema := &cdc.Schema{}
		for _, name := range s.columns[i] {
			at := d.schema.Index(name)
			fields = append(fields, at)
			schema.Columns = append(schema.Columns, d.schema.Columns[at])
		}
		var key []int
		for _, name := range s.decl.options.Key {
			key = append(key, d.schema.Index(name))
		}
		keyed := key
		if keyed == nil {
			keyed = d.schema.Key
		}
		columns := make([]cdc.Column, len(keyed))
		for k, at := range keyed {
			columns[k] = d.schema.Columns[at]
		}
		c := p.Collections[d.index]
		c.Sinks = append(c.Sinks, SinkInput{Sink: len(p.Sinks), Input: i})
		n.From = append(n.From, d.index)
		n.Columns = append(n.Columns, fields)
		n.Key = append(n.Key, key)
		n.Inputs = append(n.Inputs, SinkCollection{Hidden: s.hidden[i], Key: columns,
			Collection: Collection{Name: d.name, Schema: schema}})
		parts = append(parts, c.Logic[:], []byte(schema.String()), []byte(fmt.Sprint(s.decl.options.Key)))
	}
	n.Logic = FingerprintOf(parts...)
	p.Sinks = append(p.Sinks, n)
}
