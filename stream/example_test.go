package stream_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Page is a row of the source pages, as this program reads it.
type Page struct {
	Path  string `freshet:",key"`
	Text  string
	Owner *string // may be null
}

// Section is a part of a Page, told apart from the others by its heading.
type Section struct {
	Heading string `freshet:",key"`
	Text    string
}

// pages is a source of one collection.
func pages() stream.Source {
	return table{rescans: true, collections: []stream.Collection{{Schema: &cdc.Schema{Key: []int{0},
		Columns: []cdc.Column{column("path", "string"), column("text", "string"), column("owner", "string?"), column("size", "int")}}}}}
}

// sections cuts a page at its headings.
func sections(p Page) ([]Section, error) {
	var all []Section
	for _, part := range strings.Split(p.Text, "# ")[1:] {
		heading, text, ok := strings.Cut(part, "\n")
		if !ok {
			return nil, fmt.Errorf("section %q of %s has no text", heading, p.Path)
		}
		all = append(all, Section{Heading: heading, Text: strings.TrimSpace(text)})
	}
	return all, nil
}

// show plans a flow, gives rows to a step, and prints what comes out.
func show(f *stream.Flow, step string, objects ...string) {
	p, err := f.Plan(context.Background())
	if err != nil {
		for _, x := range stream.Problems(err) {
			fmt.Printf("error: %v\nhint: %s\n", x, x.Hint)
		}
		return
	}
	for _, s := range p.Steps {
		if s.Name != step {
			continue
		}
		out := p.Collections[s.Out].Schema
		fmt.Println(step, out)
		for _, object := range objects {
			var rows stream.Rows
			row, err := cdc.RowFromJSON(p.Collections[s.From].Schema, []byte(object))
			if err == nil {
				err = s.Mapper.Map(row, &rows)
			}
			if err != nil {
				fmt.Println("rejected:", err)
			}
			for i := range rows.Len() {
				fmt.Printf("{%s}\n", cdc.AppendFieldsJSON(nil, out.Columns, rows.At(i)))
			}
		}
	}
}

func ExampleFrom() {
	f := stream.New("site")
	all := stream.From[Page](f, "pages", pages())
	stream.Into(all, "copy", target{}, stream.SinkOptions{})
	p, err := f.Plan(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Collections[0].Name, p.Collections[0].Schema)
	// Output:
	// pages {path* string, text string, owner string?}
}

func ExampleFrom_mismatch() {
	type Article struct {
		Path   string
		Author string
		Owner  string
	}
	f := stream.New("site")
	all := stream.From[Article](f, "pages", pages())
	stream.Filter(all, "owned", stream.Version(1), func(a Article) bool { return a.Owner != "" })
	show(f, "owned")
	// Output:
	// error: owned.Article.Author: Article.Author is the column "author", which "pages" does not have
	// hint: the columns are owner, path, size, text
	// error: owned.Article.Owner: Article.Owner is string, and the column "owner" of "pages" is string?, which may be null
	// hint: make it *string
}

func ExampleFilter() {
	f := stream.New("site")
	all := stream.From[Page](f, "pages", pages())
	owned := stream.Filter(all, "owned", stream.Version(1), func(p Page) bool { return p.Owner != nil })
	stream.Into(owned, "index", target{}, stream.SinkOptions{})
	show(f, "owned", `{"path": "a.md", "text": "A"}`, `{"path": "b.md", "text": "B", "owner": "Ann"}`)
	// Output:
	// owned {path* string, text string, owner string?}
	// {"path":"b.md","text":"B","owner":"Ann"}
}

func ExampleMap() {
	type Card struct {
		Title string
		Words int
	}
	f := stream.New("site")
	all := stream.From[Page](f, "pages", pages())
	cards := stream.Map(all, "cards", stream.Version(1), func(p Page) (Card, error) {
		title, _, ok := strings.Cut(p.Text, "\n")
		if !ok {
			return Card{}, fmt.Errorf("%s has no title", p.Path)
		}
		return Card{Title: title, Words: len(strings.Fields(p.Text))}, nil
	})
	stream.Into(cards, "index", target{}, stream.SinkOptions{})
	show(f, "cards", `{"path": "tea.md", "text": "Tea\nBoil the water."}`, `{"path": "b.md", "text": ""}`)
	// Output:
	// cards {path* string, title string, words int}
	// {"path":"tea.md","title":"Tea","words":4}
	// rejected: call stream_test.ExampleMap.func1: b.md has no title
}

func ExampleFlatMap() {
	f := stream.New("site")
	all := stream.From[Page](f, "pages", pages())
	parts := stream.FlatMap(all, "sections", stream.Version(1), sections)
	stream.Into(parts, "index", target{}, stream.SinkOptions{})
	show(f, "sections", `{"path": "tea.md", "text": "# Water\nBoil it.\n# Leaves\nA spoon a cup."}`)
	// Output:
	// sections {path* string, heading* string, text string}
	// {"path":"tea.md","heading":"Water","text":"Boil it."}
	// {"path":"tea.md","heading":"Leaves","text":"A spoon a cup."}
}

// Without a key of their own, rows are named by what they hold: one that moves keeps its name.
func ExampleFlatMap_withoutKey() {
	type Word struct{ Word string }
	f := stream.New("site")
	all := stream.From[Page](f, "pages", pages())
	words := stream.FlatMap(all, "words", stream.Version(1), func(p Page) ([]Word, error) {
		var all []Word
		for _, w := range strings.Fields(p.Text) {
			all = append(all, Word{Word: w})
		}
		return all, nil
	})
	f.AddSink("index", []string{words.Name()}, target{}, stream.SinkOptions{})
	show(f, "words", `{"path": "tea.md", "text": "tea for tea"}`, `{"path": "tea.md", "text": "for tea"}`)
	// Output:
	// words {path* string, words_id* string, word string}
	// {"path":"tea.md","words_id":"f27a81f9eac9cf91","word":"tea"}
	// {"path":"tea.md","words_id":"65f1dbfb70efb543","word":"for"}
	// {"path":"tea.md","words_id":"f27a81f9eac9cf91-2","word":"tea"}
	// {"path":"tea.md","words_id":"65f1dbfb70efb543","word":"for"}
	// {"path":"tea.md","words_id":"f27a81f9eac9cf91","word":"tea"}
}

// Any operator can be a step of a typed flow, here one that adds the column lang.
func ExampleApply() {
	type Spoken struct{ Path, Lang string }
	f := stream.New("site")
	all := stream.From[Page](f, "pages", pages())
	tell := step{reads: []string{"text"}, adds: []cdc.Column{column("lang", "string")}}
	spoken := stream.Apply[Spoken](all, "spoken", tell, stream.StepOptions{})
	english := stream.Filter(spoken, "english", stream.Version(1), func(s Spoken) bool { return s.Lang == "en" })
	stream.Into(english, "index", target{}, stream.SinkOptions{})
	show(f, "english", `{"path": "a.md", "lang": "en"}`, `{"path": "b.md", "lang": "de"}`)
	// Output:
	// english {path* string, lang string}
	// {"path":"a.md","lang":"en"}
}

// A flow that is declared elsewhere, such as in a file, is continued in Go.
func ExampleAs() {
	f := stream.New("site")
	f.AddSource("pages", pages())
	stream.Into(stream.FlatMap(stream.As[Page](f, "pages"), "sections", stream.Version(1), sections), "index", target{}, stream.SinkOptions{})
	show(f, "sections", `{"path": "tea.md", "text": "# Water\nBoil it."}`)
	// Output:
	// sections {path* string, heading* string, text string}
	// {"path":"tea.md","heading":"Water","text":"Boil it."}
}

func ExampleInto() {
	f := stream.New("site")
	all := stream.From[Page](f, "pages", pages())
	stream.Into(all, "typed", target{}, stream.SinkOptions{})
	stream.Into(all, "named", target{}, stream.SinkOptions{Columns: []string{"size"}})
	p, err := f.Plan(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range p.Sinks {
		fmt.Println(s.Name, s.Inputs[0].Schema)
	}
	// Output:
	// typed {path string, text string, owner string?}
	// named {size int}
}

func ExampleFunc() {
	f := stream.New("site")
	all := stream.From[Page](f, "pages", pages())
	stream.FlatMap(all, "sections", stream.Func{Version: 2, StepOptions: stream.StepOptions{OnError: stream.KeepStale}}, sections)
	p, err := f.Plan(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Steps[0].Name, p.Steps[0].Options.OnError == stream.KeepStale)
	// Output:
	// sections true
}

func ExampleGuard() {
	first := func(text string) byte { return text[0] }
	call := func(text string) (c byte, err error) {
		defer stream.Guard(first, &err)
		return first(text), nil
	}
	_, err := call("")
	before, _, _ := strings.Cut(err.Error(), " at ")
	fmt.Println(before)
	// Output:
	// call stream_test.ExampleGuard.func1: panic
}

func ExampleNewDecoder() {
	schema := &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{column("path", "string"), column("text", "string"), column("owner", "string?")}}
	decoder, err := stream.NewDecoder[Page]("hits", schema)
	if err != nil {
		fmt.Println(err)
		return
	}
	row, err := cdc.RowFromJSON(schema, []byte(`{"path": "tea.md", "text": "Boil the water."}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	var p Page
	if err := decoder.Decode(row, &p); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Path, p.Text, p.Owner)
	// Output:
	// tea.md Boil the water. <nil>
}
