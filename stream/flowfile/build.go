package flowfile

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/freshet/freshet/stream"
)

// builder turns a document into a flow.
type builder struct {
	*document
	file     *File
	registry Registry
	logger   *slog.Logger

	models map[string]*declaredModel
}

// declaredModel is a model of the file, or one that a step named by its kind.
type declaredModel struct {
	model  stream.Model
	faulty bool // its faults were told: a step that names it needs no fault of its own
}

// build reads the sections in the order in which they need each other.
func (b *builder) build() {
	var head fileHead
	b.decode(place{value: b.root, label: "the flow file"}, &head)
	b.file.Name = head.Flow
	b.file.Flow = stream.New(head.Flow)
	b.file.Flow.Limits = stream.Limits{MemoryBytes: head.Limits.Memory, DiskFree: head.Limits.DiskFree}
	if at, ok := entryOf(b.root, "flow"); ok && (head.Flow != "" || at.value.Kind == yaml.ScalarNode && at.value.Tag == "!!str") {
		if err := stream.CheckName(head.Flow); err != nil {
			b.badName(b.at(at.value), head.Flow, err)
		}
	}
	models := b.nodes(&section{"model", "kind", modelKinds(b.registry), ModelConfig{}}, head.Models)
	sources := b.nodes(&section{"source", "kind", sourceKinds(b.registry), sourceHead{}}, head.Sources)
	steps := b.nodes(&section{"step", "operator", operatorKinds(b.registry), stepHead{}}, head.Steps)
	sinks := b.nodes(&section{"sink", "kind", sinkKinds(b.registry), sinkHead{}}, head.Sinks)
	b.clashes(models)
	b.clashes(slices.Concat(sources, steps, sinks))
	b.needOne("source", sources, head.Sources)
	b.needOne("sink", sinks, head.Sinks)
	for _, n := range models {
		b.model(n)
	}
	for _, n := range sources {
		b.source(n)
	}
	for _, n := range steps {
		b.step(n)
	}
	for _, n := range sinks {
		b.sink(n)
	}
	b.file.nodes = slices.Concat(sources, steps, sinks)
	b.tests(head.Tests)
}

// clashes tells of names that are one, or differ only in - and _: slots and topics are named after them.
func (b *builder) clashes(nodes []*node) {
	first := map[string]*node{}
	for _, n := range nodes {
		plain := strings.ReplaceAll(n.name, "-", "_")
		other, clash := first[plain]
		if !clash {
			first[plain] = n
			continue
		}
		n.faulty = true
		how := "has the name of"
		if n.name != other.name {
			how = "differs only in - and _ from"
		}
		b.fault(b.at(n.place.key), "duplicate_name", fmt.Sprintf("%s %s %s in line %d", n.label(), how, other.label(), other.place.key.Line),
			fmt.Sprintf("give the %s a name of its own: sources, steps and sinks share one set of names", n.in.noun))
	}
}

// needOne tells of a section that is there and empty.
func (b *builder) needOne(noun string, nodes []*node, under *yaml.Node) {
	if under == nil || len(nodes) > 0 || follow(under).Kind == yaml.ScalarNode && !isNull(follow(under)) || follow(under).Kind == yaml.SequenceNode {
		return
	}
	at, _ := entryOf(b.root, noun+"s")
	b.fault(b.at(at.key), "missing_key", fmt.Sprintf("the flow has no %s", noun), fmt.Sprintf("name one under `%ss:`", noun))
}

// env is what the kind of a node is built with.
func (b *builder) env(n *node) *Env {
	return &Env{Dir: b.file.Dir, Flow: b.file.Name, Node: n.name, Logger: b.logger, Model: b.named,
		Own: func(m stream.Model) { b.file.Models[m.Name()] = m }}
}

// refused tells the faults of a Build.
func (b *builder) refused(n *node, err error) {
	n.faulty = true
	for _, fault := range faultsOf(err) {
		at, fault := n.aim(fault)
		b.problem(at, fault)
	}
}

func (b *builder) source(n *node) {
	config := b.decodeNode(n, &sourceHead{})
	if n.faulty {
		return
	}
	s, err := b.registry.Sources[n.kind].Build(config, b.env(n))
	if err != nil {
		b.refused(n, err)
		return
	}
	b.file.Flow.AddSource(n.name, s)
}

func (b *builder) step(n *node) {
	var head stepHead
	config := b.decodeNode(n, &head)
	if n.faulty {
		return
	}
	op, err := b.registry.Operators[n.kind].Build(config, b.env(n))
	if err != nil {
		b.refused(n, err)
		return
	}
	b.file.Flow.AddStep(n.name, head.From, op, head.options())
}

func (b *builder) sink(n *node) {
	var head sinkHead
	config := b.decodeNode(n, &head)
	if n.faulty {
		return
	}
	options := stream.SinkOptions{Columns: head.Columns.Names, Key: head.Key, Swap: head.OnLogicChange == "swap"}
	s, err := b.registry.Sinks[n.kind].Build(config, b.env(n))
	if err != nil {
		b.refused(n, err)
		return
	}
	if head.Columns.Exprs != nil {
		options.Project, err = b.project(head.Columns.Exprs, s)
		for _, fault := range faultsOf(err) {
			n.faulty = true
			under, _ := seek(n.place, "columns")
			b.problem(under, fault)
		}
	}
	if !n.faulty {
		b.file.Flow.AddSink(n.name, head.From, s, options)
	}
}

func (b *builder) project(columns []NamedExpr, to stream.Sink) (stream.Operator, error) {
	if b.registry.Project == nil {
		return nil, &stream.Problem{Code: "bad_value", Message: "expressions for columns are not supported here",
			Hint: "compute the columns in a step, and list their names"}
	}
	return b.registry.Project(columns, to)
}
