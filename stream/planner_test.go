package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

func TestColumnsThatNobodyReadsAreNotCarried(t *testing.T) {
	for _, c := range []struct {
		name    string
		options stream.SinkOptions
		needs   []string
		want    []string
		sink    string
	}{
		{"a sink that names nothing gets all but what is on demand", stream.SinkOptions{}, nil,
			[]string{"docs {id* int, title string, body string?, lang string}", "live {id* int, title string, body string?, lang string}",
				"parts {id* int, title string, lang string, chunk string}"}, "{id int, title string, lang string, chunk string}"},
		{"a sink that names columns", stream.SinkOptions{Columns: []string{"chunk", "id"}}, nil,
			[]string{"docs {id* int, body string?, lang string}", "live {id* int, body string?}", "parts {id* int, chunk string}"},
			"{chunk string, id int}"},
		{"a sink that names what is on demand", stream.SinkOptions{Columns: []string{"seq"}}, nil,
			[]string{"docs {id* int, body string?, lang string}", "live {id* int, body string?}", "parts {id* int, seq int}"}, "{seq int}"},
		{"a sink with a key of its own", stream.SinkOptions{Columns: []string{"chunk"}, Key: []string{"title"}}, nil,
			[]string{"docs {id* int, title string, body string?, lang string}", "live {id* int, title string, body string?}",
				"parts {id* int, title string, chunk string}"}, "{chunk string}"},
		{"a sink that needs more than it shows", stream.SinkOptions{Columns: []string{"chunk"}}, []string{"seq"},
			[]string{"docs {id* int, body string?, lang string}", "live {id* int, body string?}", "parts {id* int, chunk string, seq int}"},
			"{chunk string, seq int}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := stream.New("test")
			f.AddSource("docs", docs())
			f.AddStep("parts", "live", parts(), stream.StepOptions{}) // the order of declaration does not matter
			f.AddStep("live", "docs", step{reads: []string{"lang"}}, stream.StepOptions{})
			f.AddSink("index", []string{"parts"}, target{needs: c.needs}, c.options)
			p := plan(t, f)
			if diff := cmp.Diff(c.want, schemas(p)); diff != "" {
				t.Errorf("collections (-want +got):\n%s", diff)
			}
			in := p.Sinks[0].Inputs[0]
			if got := in.Schema.String(); got != c.sink || in.Hidden != len(c.needs) {
				t.Errorf("the sink gets %s, %d hidden, want %s, %d hidden", got, in.Hidden, c.sink, len(c.needs))
			}
			for i, at := range p.Sinks[0].Columns[0] {
				if p.Collections[2].Schema.Columns[at].Name != in.Schema.Columns[i].Name {
					t.Errorf("field %d of the sink is column %d of its collection, which is another", i, at)
				}
			}
		})
	}
}

func TestASourceThatCannotReadAgainKeepsItsColumns(t *testing.T) {
	once := docs()
	once.rescans = false
	f := stream.New("test")
	f.AddSource("docs", once)
	f.AddSink("out", []string{"docs"}, target{}, stream.SinkOptions{Columns: []string{"title"}})
	p := plan(t, f)
	if got, want := p.Collections[0].Schema.String(), "{id* int, title string, body string?, lang string}"; got != want {
		t.Errorf("the source yields %s, want %s: later logic may read every column", got, want)
	}
	if diff := cmp.Diff([][]int{{0, 1, 2, 3}}, p.Sources[0].Columns); diff != "" {
		t.Errorf("columns carried (-want +got):\n%s", diff)
	}
}

func TestAColumnThatAStepMakesAnewIsNotCarriedToIt(t *testing.T) {
	f := stream.New("test")
	f.AddSource("docs", docs())
	f.AddStep("named", "docs", step{drops: []string{"title"}, adds: []cdc.Column{column("title", "string")},
		costs: map[string]string{"title": "lang"}}, stream.StepOptions{})
	f.AddSink("out", []string{"named"}, target{}, stream.SinkOptions{Columns: []string{"title"}})
	want := []string{"docs {id* int, lang string}", "named {id* int, title string}"}
	if diff := cmp.Diff(want, schemas(plan(t, f))); diff != "" {
		t.Errorf("collections (-want +got):\n%s", diff)
	}
}

func TestOnDemandEndsWhereAStepSaysSo(t *testing.T) {
	f := flow(stream.SinkOptions{})
	f.AddStep("named", "parts", step{config: "map", onDemand: []string{}}, stream.StepOptions{})
	f.AddStep("passed", "parts", step{config: "filter"}, stream.StepOptions{})
	f.AddSink("names", []string{"named"}, target{}, stream.SinkOptions{})
	f.AddSink("passes", []string{"passed"}, target{}, stream.SinkOptions{})
	p := plan(t, f)
	if p.Sinks[1].Inputs[0].Schema.Index("seq") < 0 || p.Sinks[2].Inputs[0].Schema.Index("seq") >= 0 {
		t.Errorf("sinks get %s and %s, want seq in the first alone", p.Sinks[1].Inputs[0].Schema, p.Sinks[2].Inputs[0].Schema)
	}
}

func TestSourcesOfSeveralCollectionsArePrefixed(t *testing.T) {
	one := docs().collections[0].Schema
	f := stream.New("test")
	f.AddSource("shop", table{rescans: true, collections: []stream.Collection{{Name: "orders", Schema: one}, {Name: "items", Schema: one}}})
	f.AddSink("copy", []string{"shop.items", "shop.orders"}, target{}, stream.SinkOptions{Columns: []string{"title"}})
	p := plan(t, f)
	if diff := cmp.Diff([]string{"shop.orders {id* int, title string}", "shop.items {id* int, title string}"}, schemas(p)); diff != "" {
		t.Errorf("collections (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 0}, p.Sinks[0].From); diff != "" {
		t.Errorf("inputs of the sink (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]int{{0, 1}, {0, 1}}, p.Sources[0].Columns); diff != "" {
		t.Errorf("columns carried (-want +got):\n%s", diff)
	}
}

func TestAProjectionIsAHiddenStep(t *testing.T) {
	f := stream.New("test")
	f.AddSource("docs", docs())
	f.AddSink("index", []string{"docs"}, target{}, stream.SinkOptions{Project: step{config: "map", reads: []string{"title"}}})
	p := plan(t, f)
	if len(p.Steps) != 1 || !p.Steps[0].Hidden || p.Steps[0].Kind != "test" || p.Collections[p.Sinks[0].From[0]].Step != 0 {
		t.Errorf("steps %+v, want one hidden step before the sink", p.Steps)
	}
	steps, sinks := p.Reach(0)
	if len(steps) != 1 || len(sinks) != 1 || p.Collections[1].Root != 0 {
		t.Errorf("%d steps and %d sinks behind the source, want one each", len(steps), len(sinks))
	}
}

func TestFaultsOfTheGraph(t *testing.T) {
	for _, c := range []struct {
		name    string
		declare func(f *stream.Flow)
		want    []string
	}{
		{"a name that is none", func(f *stream.Flow) { f.AddStep("Live!", "docs", step{}, stream.StepOptions{}) },
			[]string{`bad_value Live!: "Live!" is no name | names are up to 40 small letters, digits, - and _, beginning with a letter`}},
		{"two names that differ in - and _", func(f *stream.Flow) {
			f.AddStep("a-b", "docs", step{}, stream.StepOptions{})
			f.AddSink("a_b", []string{"docs"}, target{}, stream.SinkOptions{})
		}, []string{`duplicate_name a_b: the sink "a_b" has the name of the step "a-b" | give the sink a name of its own`}},
		{"a step named as a source", func(f *stream.Flow) { f.AddStep("docs", "docs", step{}, stream.StepOptions{}) },
			[]string{`duplicate_name docs: the step "docs" has the name of the source "docs" | give the step a name of its own`}},
		{"a misspelt from, for which the sink behind is not blamed", func(f *stream.Flow) {
			f.AddStep("live", "dosc", step{}, stream.StepOptions{})
			f.AddSink("out", []string{"live"}, target{}, stream.SinkOptions{})
		}, []string{`unknown_name live.from: no source or step is named "dosc" | did you mean "docs"?`}},
		{"a sink of nothing that is like it", func(f *stream.Flow) {
			f.AddStep("live", "docs", step{}, stream.StepOptions{})
			f.AddSink("out", []string{"elsewhere"}, target{}, stream.SinkOptions{})
		}, []string{`unknown_name out.from: no source or step is named "elsewhere" | the sources and steps are docs, live`}},
		{"a misspelt from of a sink with computed columns", func(f *stream.Flow) {
			f.AddSink("out", []string{"dosc"}, target{}, stream.SinkOptions{Project: step{}})
		}, []string{`unknown_name out/dosc.from: no source or step is named "dosc" | did you mean "docs"?`}},
		{"a circle, told of a step that is on it", func(f *stream.Flow) {
			f.AddStep("behind", "a", step{}, stream.StepOptions{})
			f.AddStep("a", "c", step{}, stream.StepOptions{})
			f.AddStep("b", "a", step{}, stream.StepOptions{})
			f.AddStep("c", "b", step{}, stream.StepOptions{})
			f.AddSink("out", []string{"behind"}, target{}, stream.SinkOptions{})
		}, []string{`cycle a.from: the step "a" reads its own output, by way of c, b | let one step of the circle read a source`}},
		{"a step that reads itself", func(f *stream.Flow) { f.AddStep("a", "a", step{}, stream.StepOptions{}) },
			[]string{`cycle a.from: the step "a" reads its own output | let one step of the circle read a source`}},
		{"a fault is told once, not by every step behind", func(f *stream.Flow) {
			f.AddStep("one", "docs", step{reads: []string{"txt"}}, stream.StepOptions{})
			f.AddStep("two", "one", step{reads: []string{"nothing"}}, stream.StepOptions{})
			f.AddStep("side", "docs", step{reads: []string{"bdy"}}, stream.StepOptions{})
			f.AddSink("out", []string{"two"}, target{}, stream.SinkOptions{Columns: []string{"gone"}})
		}, []string{`unknown_column one.text: there is no column txt | the columns are body, id, lang, title`,
			`unknown_column side.text: there is no column bdy | did you mean "body"?`}},
		{"columns and key of a sink, in order", func(f *stream.Flow) {
			f.AddStep("vectors", "docs", step{adds: []cdc.Column{column("vector", "vector(2)")}}, stream.StepOptions{})
			f.AddSink("out", []string{"vectors"}, target{}, stream.SinkOptions{Columns: []string{"titel", "id", "id"}, Key: []string{"vector", "langg"}})
		}, []string{`unknown_column out.columns.titel: "vectors" has no column "titel" | did you mean "title"?`,
			`bad_value out.columns.id: the column "id" is named twice | name it once`,
			`wrong_type out.key.vector: "vector" is vector(2), which no key can hold | name columns of texts, numbers, times or the like`,
			`unknown_column out.key.langg: "vectors" has no column "langg" | did you mean "lang"?`}},
		{"what a sink says of its input", func(f *stream.Flow) {
			f.AddSink("out", []string{"docs"}, target{err: &stream.Problem{Code: "no_vector_column", Message: "none", Hint: "embed"}}, stream.SinkOptions{})
		}, []string{`no_vector_column out: none | embed`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 5 { // the order is the same each time
				f := stream.New("test")
				f.AddSource("docs", docs())
				c.declare(f)
				if diff := cmp.Diff(c.want, faults(t, f)); diff != "" {
					t.Fatalf("faults (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestFaultsOfIntrospectionNameTheSourceAndTheExit(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want stream.Problem
	}{
		{"what a user can mend", fmt.Errorf("list: %w", &cdc.SourceError{Code: "path_unreadable", Err: errors.New("no folder"), Hint: "make it"}),
			stream.Problem{Code: "path_unreadable", Node: "docs", Field: "path", Message: "no folder", Hint: "make it", Exit: 3}},
		{"a fault of the config", &stream.Problem{Code: "bad_value", Field: "table", Message: "no table", Hint: "x"},
			stream.Problem{Code: "bad_value", Node: "docs", Field: "table", Message: "no table", Hint: "x"}},
		{"a server that does not answer", errors.New("connection refused"), stream.Problem{Code: "server_unreachable", Node: "docs",
			Message: "connection refused", Hint: "check the address and that the server runs", Exit: 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := stream.New("test")
			f.AddSource("docs", table{err: c.err})
			_, err := f.Plan(t.Context())
			got := stream.Problems(err)
			if len(got) != 1 {
				t.Fatalf("%d problems, want one: %v", len(got), err)
			}
			if diff := cmp.Diff(c.want, *got[0]); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitsHaveDefaults(t *testing.T) {
	f := flow(stream.SinkOptions{})
	if p := plan(t, f); p.Limits.MemoryBytes != stream.DefaultMemoryBytes || p.Limits.DiskFree != stream.DefaultDiskFree {
		t.Errorf("limits %+v, want the defaults", p.Limits)
	}
	f.Limits = stream.Limits{MemoryBytes: 1, DiskFree: 2}
	if p := plan(t, f); p.Limits.MemoryBytes != 1 || p.Limits.DiskFree != 2 {
		t.Errorf("limits %+v, want those given", p.Limits)
	}
}

// tenant is a source that makes something where it reads.
type tenant struct{ table }

func (tenant) Drop(context.Context) error { return nil }

func TestTenantsAreToldWithoutAPlan(t *testing.T) {
	f := stream.New("orders")
	f.AddSource("orders", tenant{table{err: errors.New("read table orders: it is gone")}})
	f.AddSource("pages", table{})
	f.AddSource("items", tenant{})
	if _, err := f.Plan(t.Context()); err == nil {
		t.Error("a table that is gone was planned")
	}
	var names []string
	for name := range f.Tenants {
		names = append(names, name)
	}
	if !slices.Equal(names, []string{"orders", "items"}) {
		t.Errorf("tenants %q, want orders and items", names)
	}
}
