package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Doc is a row of docs, seen by a program.
type Doc struct {
	ID    int64 `freshet:",key"`
	Title string
	Body  *string
}

// Line is a piece of a Doc.
type Line struct {
	ID   int64
	Text string `freshet:"line"`
}

func lines(d Doc) ([]Line, error) {
	if d.Body == nil {
		return nil, errors.New("there is no body")
	}
	var all []Line
	for _, text := range strings.Split(*d.Body, "|") {
		all = append(all, Line{ID: d.ID, Text: text})
	}
	return all, nil
}

// apply gives rows of the first collection to the step of that name and writes what it yields, or the
// errors, one row an element. The plan keeps the columns of all sinks.
func apply(t testing.TB, p *stream.Plan, name string, objects ...string) []string {
	t.Helper()
	at := slices.IndexFunc(p.Steps, func(s *stream.StepNode) bool { return s.Name == name })
	s := p.Steps[at]
	in, out := p.Collections[s.From].Schema, p.Collections[s.Out].Schema
	var rows stream.Rows
	var got []string
	for _, object := range objects {
		row, err := cdc.RowFromJSON(in, []byte(object))
		if err != nil {
			t.Fatal(err)
		}
		before := rows.Len()
		if err := s.Mapper.Map(row, &rows); err != nil {
			got = append(got, "! "+err.Error())
			if rows.Len() != before {
				t.Fatalf("a rejected row left %d rows", rows.Len()-before)
			}
			continue
		}
		owner, err := in.AppendKey(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		for i := before; i < rows.Len(); i++ {
			r := rows.At(i)
			if err := cdc.CheckRow(r); err != nil || r.Len() != len(out.Columns) {
				t.Fatalf("row %d does not fit %s: %v", i, out, err)
			}
			key, err := out.AppendKey(nil, r)
			if err != nil || !strings.HasPrefix(string(key), string(owner)) {
				t.Fatalf("row %d has left its owner's key: %v", i, err)
			}
			got = append(got, "{"+string(cdc.AppendFieldsJSON(nil, out.Columns, r))+"}")
		}
	}
	return got
}

// typed declares docs as Docs.
func typed() (*stream.Flow, stream.CollectionOf[Doc]) {
	f := stream.New("test")
	return f, stream.From[Doc](f, "docs", docs())
}

func TestTypedStepsLowerToTheFlowThatAFileDeclares(t *testing.T) {
	f, all := typed()
	live := stream.Filter(all, "live", stream.Version(1), func(d Doc) bool { return d.Title != "" })
	stream.Into(stream.FlatMap(live, "lines", stream.Version(1), lines), "index", target{needs: []string{"lines_id"}}, stream.SinkOptions{})
	p := plan(t, f)
	if diff := cmp.Diff([]string{"docs {id* int, title string, body string?}", "live {id* int, title string, body string?}",
		"lines {id* int, lines_id* string, line string}"}, schemas(p)); diff != "" {
		t.Errorf("collections: lang is read by nobody (-want +got):\n%s", diff)
	}
	if got := p.Sinks[0].Inputs[0]; got.Schema.String() != "{id int, line string, lines_id string}" || got.Hidden != 1 {
		t.Errorf("the sink gets %s with %d hidden, want T's columns and what it needs", got.Schema, got.Hidden)
	}
	if p.Steps[0].Kind != "filter" || p.Steps[1].Kind != "flatmap" {
		t.Errorf("kinds are %s and %s", p.Steps[0].Kind, p.Steps[1].Kind)
	}
	want := []string{`{"id":1,"lines_id":"c0ffee","line":"a"}`, `{"id":1,"lines_id":"c0ffee","line":"b"}`, `{"id":1,"lines_id":"c0ffee-2","line":"a"}`}
	got := apply(t, p, "lines", `{"id":1,"title":"x","body":"a|b|a"}`)
	var ids []string
	for i, row := range got {
		var r struct {
			ID string `json:"lines_id"`
		}
		if err := json.Unmarshal([]byte(row), &r); err != nil {
			t.Fatal(err)
		}
		hash, number, _ := strings.Cut(r.ID, "-")
		ids = append(ids, r.ID)
		got[i] = strings.Replace(row, hash, "c0ffee", 1)
		if len(hash) != 16 || (number != "") != (i == 2) {
			t.Errorf("row %d is named %s", i, r.ID)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if ids[2] != ids[0]+"-2" || ids[0] == ids[1] {
		t.Errorf("names %v: equal rows share their hash, others do not", ids)
	}
}

func TestAFilterPassesOnWhatItsTypeDoesNotHave(t *testing.T) {
	f, all := typed()
	live := stream.Filter(all, "live", stream.Version(1), func(d Doc) bool { return d.ID > 1 })
	f.AddSink("index", []string{live.Name()}, target{}, stream.SinkOptions{Columns: []string{"lang", "id"}})
	p := plan(t, f)
	if got, want := apply(t, p, "live", `{"id":1,"title":"a","lang":"en"}`, `{"id":2,"title":"b","lang":"de"}`), []string{`{"id":2,"lang":"de"}`}; !cmp.Equal(got, want) {
		t.Errorf("rows %v, want %v", got, want)
	}
}

func TestIntoAnIndexThatCanBeDroppedDropsIt(t *testing.T) {
	f, all := typed()
	stream.Into(all, "a", target{}, stream.SinkOptions{})
	stream.Into(all, "b", dropTarget{}, stream.SinkOptions{})
	p := plan(t, f)
	if _, ok := p.Sinks[0].Sink.(stream.Dropper); ok {
		t.Error("a sink that cannot be dropped says that it can")
	}
	d, ok := p.Sinks[1].Sink.(stream.Dropper)
	if !ok {
		t.Fatal("a sink that can be dropped says that it cannot")
	}
	if err := d.Drop(t.Context(), stream.Target{}); !errors.Is(err, errDropped) {
		t.Errorf("drop: %v, want the sink's own word", err)
	}
	for i, want := range []stream.Sink{target{}, dropTarget{}} {
		if w, ok := p.Sinks[i].Sink.(interface{ Unwrap() stream.Sink }); !ok || fmt.Sprintf("%T", w.Unwrap()) != fmt.Sprintf("%T", want) {
			t.Errorf("sink %s does not lead to the %T that it was made of", p.Sinks[i].Name, want)
		}
	}
}

var errDropped = errors.New("dropped")

type dropTarget struct{ target }

func (dropTarget) Drop(_ context.Context, _ stream.Target) error { return errDropped }

func TestTheKeyOfChildren(t *testing.T) {
	type numbered struct {
		Seq  int `freshet:",key"`
		Text string
	}
	type titled struct {
		ID    int64 `freshet:",key"`
		Title string
	}
	number := func(numbers ...int) func(Doc) ([]numbered, error) {
		return func(Doc) ([]numbered, error) {
			var all []numbered
			for _, n := range numbers {
				all = append(all, numbered{Seq: n, Text: "t"})
			}
			return all, nil
		}
	}
	title := func(id int64) func(Doc) (titled, error) {
		return func(d Doc) (titled, error) { return titled{ID: id, Title: d.Title}, nil }
	}
	for _, c := range []struct {
		name    string
		declare func(docs stream.CollectionOf[Doc]) string
		want    []string
	}{
		{"a field tagged key lies behind the owner's key", func(docs stream.CollectionOf[Doc]) string {
			return stream.FlatMap(docs, "out", stream.Version(1), number(2, 1)).Name()
		}, []string{`{"id":7,"seq":2,"text":"t"}`, `{"id":7,"seq":1,"text":"t"}`}},
		{"two children of one key", func(docs stream.CollectionOf[Doc]) string {
			return stream.FlatMap(docs, "out", stream.Version(1), number(1, 2, 1)).Name()
		}, []string{"! row 2 of stream_test.TestTheKeyOfChildren.TestTheKeyOfChildren.func1.func6: a row before it has the same key 1"}},
		{"no children", func(docs stream.CollectionOf[Doc]) string {
			return stream.FlatMap(docs, "out", stream.Version(1), number()).Name()
		}, nil},
		{"a map keeps the key", func(docs stream.CollectionOf[Doc]) string {
			return stream.Map(docs, "out", stream.Version(1), title(7)).Name()
		}, []string{`{"id":7,"title":"x"}`}},
		{"a key that is left zero is filled in", func(docs stream.CollectionOf[Doc]) string {
			return stream.Map(docs, "out", stream.Version(1), title(0)).Name()
		}, []string{`{"id":7,"title":"x"}`}},
		{"a key of somebody else", func(docs stream.CollectionOf[Doc]) string {
			return stream.Map(docs, "out", stream.Version(1), title(8)).Name()
		}, []string{"! row 0 of stream_test.TestTheKeyOfChildren.TestTheKeyOfChildren.func2.func12: " +
			"titled.ID is 8, and the key of its owner says 7: leave it zero, or copy it"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, all := typed()
			f.AddSink("index", []string{c.declare(all)}, target{}, stream.SinkOptions{})
			got := apply(t, plan(t, f), "out", `{"id":7,"title":"x"}`)
			for i := range got { // closures are numbered by the compiler
				if strings.HasPrefix(got[i], "! ") {
					_, after, _ := strings.Cut(got[i], ": ")
					_, want, _ := strings.Cut(c.want[i], ": ")
					got[i], c.want[i] = after, want
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAChildKeepsItsNameWhateverItsSiblingsAndReadersAre(t *testing.T) {
	names := func(body string, columns ...string) map[string]string {
		f, all := typed()
		out := stream.FlatMap(all, "lines", stream.Version(1), lines)
		f.AddSink("index", []string{out.Name()}, target{}, stream.SinkOptions{Columns: append(columns, "lines_id")})
		got := map[string]string{}
		for i, row := range apply(t, plan(t, f), "lines", `{"id":1,"title":"","body":"`+body+`"}`) {
			var r struct {
				ID string `json:"lines_id"`
			}
			if err := json.Unmarshal([]byte(row), &r); err != nil {
				t.Fatal(err)
			}
			got[strings.Split(body, "|")[i]] = r.ID
		}
		return got
	}
	all := names("a|b|c", "line")
	more := names("x|a|b|y|c", "line")
	fewer := names("c|a|b")
	for _, line := range []string{"a", "b", "c"} {
		if all[line] != more[line] || all[line] != fewer[line] {
			t.Errorf("%s is named %s, beside others %s, with fewer columns read %s", line, all[line], more[line], fewer[line])
		}
	}
}

func TestLogicChangesWithVersionTypesAndName(t *testing.T) {
	type narrow struct{ Title string }
	logic := func(declare func(docs stream.CollectionOf[Doc]) string) stream.Fingerprint {
		f, all := typed()
		f.AddSink("index", []string{declare(all)}, target{}, stream.SinkOptions{Columns: []string{"id"}})
		return plan(t, f).Steps[0].Logic
	}
	same := func(d Doc) (Doc, error) { return d, nil }
	seen := map[stream.Fingerprint]string{}
	for _, c := range []struct {
		name    string
		declare func(docs stream.CollectionOf[Doc]) string
	}{
		{"a map", func(c stream.CollectionOf[Doc]) string { return stream.Map(c, "a", stream.Version(1), same).Name() }},
		{"another version", func(c stream.CollectionOf[Doc]) string { return stream.Map(c, "a", stream.Version(2), same).Name() }},
		{"another name, as two functions of one type and version are told apart by nothing else", func(c stream.CollectionOf[Doc]) string {
			return stream.Map(c, "b", stream.Version(1), same).Name()
		}},
		{"another input type", func(c stream.CollectionOf[Doc]) string {
			return stream.Map(stream.CollectionOf[Doc](c), "a", stream.Version(1), func(d Doc) (narrow, error) { return narrow{}, nil }).Name()
		}},
		{"a filter", func(c stream.CollectionOf[Doc]) string {
			return stream.Filter(c, "a", stream.Version(1), func(Doc) bool { return true }).Name()
		}},
		{"a filter of another version", func(c stream.CollectionOf[Doc]) string {
			return stream.Filter(c, "a", stream.Version(-1), func(Doc) bool { return true }).Name()
		}},
		{"many rows", func(c stream.CollectionOf[Doc]) string {
			return stream.FlatMap(c, "a", stream.Version(1), func(Doc) ([]Doc, error) { return nil, nil }).Name()
		}},
	} {
		l := logic(c.declare)
		if before, ok := seen[l]; ok {
			t.Errorf("%s has the logic of %s", c.name, before)
		}
		if l != logic(c.declare) {
			t.Errorf("%s has another logic when it is declared again", c.name)
		}
		seen[l] = c.name
	}
}
