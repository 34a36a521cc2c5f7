package stream_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

func column(name, typ string) cdc.Column {
	t, err := cdc.ParseType(typ)
	if err != nil {
		panic(err)
	}
	return cdc.Column{Name: name, Type: t}
}

// table is a source that is introspected and never run.
type table struct {
	collections []stream.Collection
	rescans     bool
	err         error
}

func (s table) Collections(context.Context) ([]stream.Collection, error) { return s.collections, s.err }
func (s table) Rescans() bool                                            { return s.rescans }
func (s table) Run(context.Context, cdc.Start, cdc.Inlet) error {
	return errors.New("a table is not run")
}

// docs has one collection with the columns id (the key), title, body and lang.
func docs() table {
	return table{rescans: true, collections: []stream.Collection{{Schema: &cdc.Schema{Key: []int{0},
		Columns: []cdc.Column{column("id", "int"), column("title", "string"), column("body", "string?"), column("lang", "string")}}}}}
}

// step is logic that reads columns, passes its input on without some of them, and adds others, each of
// which costs it the reading of a column.
type step struct {
	config   string
	reads    []string
	drops    []string
	adds     []cdc.Column
	costs    map[string]string // added column: the column that it is made of
	onDemand []string          // nil: not Selective
}

type boundStep struct {
	step
	schema *cdc.Schema
	cost   []string
}

type selectiveStep struct{ boundStep }

func (s selectiveStep) OnDemand() []string { return s.onDemand }

func (s step) Bind(in *cdc.Schema, keep func(string) bool) (stream.Bound, error) {
	b := boundStep{step: s, cost: slices.Clone(s.reads)}
	b.schema, _ = in.Select(func(c string) bool { return keep(c) && !slices.Contains(s.drops, c) })
	for _, c := range s.adds {
		if keep(c.Name) {
			b.schema.Columns = append(b.schema.Columns, c)
			if of := s.costs[c.Name]; of != "" {
				b.cost = append(b.cost, of)
			}
		}
	}
	for _, c := range b.cost {
		if in.Index(c) < 0 {
			return nil, &stream.Problem{Code: "unknown_column", Field: "text", Message: "there is no column " + c,
				Hint: stream.DidYouMean("columns", c, in.Names())}
		}
	}
	if s.onDemand != nil {
		return selectiveStep{b}, nil
	}
	return b, nil
}

func (b boundStep) Schema() *cdc.Schema { return b.schema }
func (b boundStep) Reads() []string     { return b.cost }
func (b boundStep) Logic() []byte       { return []byte("test " + b.config) }
func (b boundStep) Map(in cdc.Row, out *stream.Rows) error {
	out.EmitRow(in)
	return nil
}

// target is a sink that is bound and never opened.
type target struct {
	needs   []string // columns that it needs besides those named
	storage string
	err     error
}

func (s target) Bind(in []stream.Collection) (stream.Binding, error) {
	b := stream.Binding{Storage: []byte(s.storage)}
	for range in {
		b.Columns = append(b.Columns, s.needs)
	}
	return b, s.err
}

func (s target) Open(context.Context, stream.Target) (stream.Writer, error) {
	return nil, errors.New("a target is not opened")
}

// flow declares docs -> live (reads lang) -> parts (adds chunk of body, seq on demand) -> index.
func flow(o stream.SinkOptions) *stream.Flow {
	f := stream.New("test")
	f.AddSource("docs", docs())
	f.AddStep("live", "docs", step{reads: []string{"lang"}}, stream.StepOptions{})
	f.AddStep("parts", "live", parts(), stream.StepOptions{})
	f.AddSink("index", []string{"parts"}, target{}, o)
	return f
}

func parts() step {
	return step{reads: []string{"body"}, drops: []string{"body"}, onDemand: []string{"seq"},
		adds: []cdc.Column{column("chunk", "string"), column("seq", "int")}}
}

func plan(t *testing.T, f *stream.Flow) *stream.Plan {
	t.Helper()
	p, err := f.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// faults plans a flow that is wrong and writes each fault as "code node.field @offset: message | hint".
func faults(t *testing.T, f *stream.Flow) []string {
	t.Helper()
	p, err := f.Plan(t.Context())
	if err == nil || p != nil {
		t.Fatal("the flow is taken for good")
	}
	var all []string
	for _, x := range stream.Problems(err) {
		where := strings.TrimSuffix(x.Node+"."+x.Field, ".")
		all = append(all, x.Code+" "+where+": "+x.Message+" | "+x.Hint)
	}
	return all
}

func schemas(p *stream.Plan) []string {
	var all []string
	for _, c := range p.Collections {
		all = append(all, c.Name+" "+c.Schema.String())
	}
	return all
}
