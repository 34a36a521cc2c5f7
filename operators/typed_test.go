package operators_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	builtinmodel "github.com/freshet/freshet/accel/builtin"
	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

// File is a row of files, seen by a program.
type File struct {
	Path string `freshet:",key"`
	Text *string
}

// folder is a source that is introspected and never run.
type folder struct{ schema *cdc.Schema }

func (f folder) Collections(context.Context) ([]cdc.Collection, error) {
	return []cdc.Collection{{Schema: f.schema}}, nil
}

func (f folder) Run(context.Context, cdc.Start, cdc.Inlet) error {
	return errors.New("a folder is not run")
}

func titled(f File) string {
	if f.Text == nil {
		return ""
	}
	if *f.Text == "" {
		panic("there is no text")
	}
	return f.Path + ": " + *f.Text
}

// typedCaller plans a flow of one embed step.
func typedCaller[T any](t testing.TB, version int, name string, m stream.Model, text func(T) string) (stream.Caller, []string) {
	t.Helper()
	f := stream.New("test")
	operators.Embed(stream.From[T](f, "files", folder{files()}), name, stream.Version(version), m, text)
	f.AddSink("out", []string{name}, observed{}, stream.SinkOptions{})
	p, err := f.Plan(t.Context())
	if err != nil {
		var faults []string
		for _, x := range stream.Problems(err) {
			faults = append(faults, x.Code+" "+x.Error()+" | "+x.Hint)
		}
		return nil, faults
	}
	return p.Steps[0].Caller, nil
}

// observed is a sink that is planned and never opened.
type observed struct{}

func (observed) Bind([]stream.Collection) (stream.Binding, error) { return stream.Binding{}, nil }
func (observed) Open(context.Context, stream.Target) (stream.Writer, error) {
	return nil, errors.New("it is only planned")
}

func TestATypedEmbedSendsWhatItsFunctionMakes(t *testing.T) {
	c, _ := typedCaller(t, 1, "vectors", builtin(t, 16), titled)
	for _, x := range []struct {
		name, object, want string
		ok                 bool
		err                string
	}{
		{"the text", `{"path": "a", "text": " x ", "size": 1}`, "a:  x ", true, ""},
		{"an empty text asks nothing", `{"path": "a", "size": 1}`, "", false, ""},
		{"a panic rejects the row", `{"path": "a", "text": "", "size": 1}`, "", false, "call operators_test.titled: panic at typed_test.go:"},
	} {
		t.Run(x.name, func(t *testing.T) {
			got, ok, err := c.Input([]byte("before"), row(t, files(), x.object))
			if ok != x.ok || string(got) != "before"+x.want || (err != nil) != (x.err != "") {
				t.Fatalf("got %q, %t (%v), want %q, %t (%s)", got, ok, err, "before"+x.want, x.ok, x.err)
			}
			if err != nil && (!strings.HasPrefix(err.Error(), x.err) || !strings.HasSuffix(err.Error(), ": there is no text")) {
				t.Errorf("error %v, want %s…", err, x.err)
			}
		})
	}
	broken, _ := typedCaller(t, 1, "vectors", builtin(t, 16), func(File) string { return "\xff" })
	if _, ok, err := broken.Input(nil, row(t, files(), `{"path": "a", "size": 1}`)); ok || err == nil {
		t.Error("a text that is no UTF-8 is sent")
	}
}

func TestATypedEmbedAddsTheVectorToWhatItIsGiven(t *testing.T) {
	c, _ := typedCaller(t, 1, "vectors", builtin(t, 16), titled)
	if diff := cmp.Diff([]string{"path", "text"}, c.Reads()); diff != "" {
		t.Errorf("reads (-want +got):\n%s", diff)
	}
	if got, want := c.Schema().String(), "{path* string, text string?, size int, media_type string?, vector vector(16)?}"; got != want {
		t.Errorf("schema %s, want %s", got, want)
	}
	var out cdc.RowBuilder
	if err := c.Output(&out, row(t, files(), `{"path": "a", "size": 1}`), cdc.Value{State: cdc.Null}); err != nil {
		t.Fatal(err)
	}
	if got, want := object(c.Schema(), out.Build()), `{"path":"a","text":null,"size":1,"media_type":null,"vector":null}`; got != want {
		t.Errorf("row %s, want %s", got, want)
	}
}

// I7: a call is the same whichever door the flow came in by, and whatever the function is.
func TestATypedEmbedSharesCallsWithFlowFiles(t *testing.T) {
	type other struct{ Path string }
	c, _ := typedCaller(t, 1, "vectors", builtin(t, 16), titled)
	file := caller(t, operators.EmbedConfig{Text: "row.text"}, builtin(t, 16))
	if !bytes.Equal(c.Calls().Logic, file.Calls().Logic) || !c.Calls().ByReference {
		t.Error("the same text asked of the same model is another call")
	}
	seen := map[string]string{string(c.Logic()): "the first", string(file.Logic()): "a flow file"}
	for name, declare := range map[string]func() (stream.Caller, []string){
		"another version": func() (stream.Caller, []string) { return typedCaller(t, 2, "vectors", builtin(t, 16), titled) },
		"another name":    func() (stream.Caller, []string) { return typedCaller(t, 1, "other", builtin(t, 16), titled) },
		"another model":   func() (stream.Caller, []string) { return typedCaller(t, 1, "vectors", builtin(t, 32), titled) },
		"another type": func() (stream.Caller, []string) {
			return typedCaller(t, 1, "vectors", builtin(t, 16), func(o other) string { return o.Path })
		},
	} {
		c, faults := declare()
		if c == nil {
			t.Fatalf("%s: %v", name, faults)
		}
		if before, ok := seen[string(c.Logic())]; ok {
			t.Errorf("%s has the logic of %s", name, before)
		}
		seen[string(c.Logic())] = name
	}
}

func TestFaultsOfATypedEmbed(t *testing.T) {
	type bad struct{ Txt string }
	for _, c := range []struct {
		name    string
		declare func() (stream.Caller, []string)
		want    []string
	}{
		{"no function", func() (stream.Caller, []string) { return typedCaller[File](t, 1, "v", builtin(t, 16), nil) },
			[]string{"missing_key v: the step has no function | give the function that makes the text"}},
		{"no model", func() (stream.Caller, []string) { return typedCaller(t, 1, "v", nil, titled) },
			[]string{"missing_key v.model: the step has no model | give an embedding model"}},
		{"a model that makes no vectors", func() (stream.Caller, []string) { return typedCaller(t, 1, "v", chat{}, titled) },
			[]string{`bad_value v.model: the model "chat" makes no vectors | name an embedding model`}},
		{"a type that does not fit", func() (stream.Caller, []string) {
			return typedCaller(t, 1, "v", builtin(t, 16), func(bad) string { return "" })
		}, []string{`unknown_column v.bad.Txt: bad.Txt is the column "txt", which "files" does not have | did you mean "text"?`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got := c.declare()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// chat is a model without vectors.
type chat struct{}

func (chat) Name() string     { return "chat" }
func (chat) Identity() []byte { return nil }

func ExampleEmbed() {
	embedder, err := builtinmodel.New(64)
	if err != nil {
		fmt.Println(err)
		return
	}
	f := stream.New("site")
	all := stream.From[File](f, "files", folder{files()})
	texts := stream.Filter(all, "texts", stream.Version(1), func(f File) bool { return f.Text != nil })
	vectors := operators.Embed(texts, "vectors", stream.Version(1), operators.NewInline("builtin", embedder), func(f File) string {
		return f.Path + "\n" + *f.Text
	})
	stream.Into(vectors, "index", observed{}, stream.SinkOptions{Columns: []string{"path", "vector"}})
	p, err := f.Plan(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range p.Collections {
		fmt.Println(c.Name, c.Schema)
	}
	// Output:
	// files {path* string, text string?, size int, media_type string?}
	// texts {path* string, text string?}
	// vectors {path* string, vector vector(64)?}
}
