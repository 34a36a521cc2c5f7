package flowfile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/flowfile"
)

func TestLoadRefusesWhatIsNoFlowFile(t *testing.T) {
	dir := folder(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	large := write("large.yaml", "flow: docs\n#"+strings.Repeat("x", 1<<20))
	pipe := filepath.Join(dir, "pipe.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	write("docs.yaml", good)
	for _, c := range []struct{ what, path, hint string }{
		{"a file that is not there", filepath.Join(dir, "doc.yaml"), `"docs.yaml"`},
		{"a folder", dir, "docs.yaml"},
		{"a pipe, which is not opened", pipe, "name a flow file"},
		{"a large file", large, "prompts"},
		{"a path below a file", filepath.Join(large, "x.yaml"), "path"},
	} {
		_, err := flowfile.Load(c.path, flowfile.LoadOptions{Registry: kinds(), LookupEnv: environment})
		var faults flowfile.Diagnostics
		if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Code != "flow_unreadable" || faults.Exit() != 2 {
			t.Errorf("%s: %#v", c.what, err)
			continue
		}
		if !strings.Contains(faults[0].Hint, c.hint) || !strings.HasPrefix(err.Error(), c.path+": ") {
			t.Errorf("%s: %v, hint %s", c.what, err, faults[0].Hint)
		}
	}
}

func TestLoadResolvesPathsAtTheFile(t *testing.T) {
	dir := folder(t)
	path := filepath.Join(dir, "flow.yaml")
	if err := os.WriteFile(path, []byte(good), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := flowfile.Load(path, flowfile.LoadOptions{Registry: kinds(), LookupEnv: environment})
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := f.Plan(context.Background()); err != nil || len(plan.Steps) != 2 || f.Dir != dir {
		t.Errorf("plan %+v, %v, dir %q", plan, err, f.Dir)
	}
	if string(f.Text) != good {
		t.Error("the text is not the file's, with its ${NAME} as they stand")
	}
}

func TestModelOfTheFile(t *testing.T) {
	text := strings.Replace(good, "    dims: 64\n", `    dims: "${DIMS}"
    batch: {tokens: 100}
    price: {input_per_mtok: 0.02}
    budget: {usd_per_day: 0}
    canary: 1d
`, 1)
	f, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: kinds(), LookupEnv: func(name string) (string, bool) {
		if name == "DIMS" {
			return "384", true
		}
		return environment(name)
	}})
	if err != nil {
		t.Fatal(err)
	}
	var nothing float64
	want := flowfile.ModelConfig{Dims: 384, Batch: flowfile.Batch{Rows: 64, Tokens: 100},
		Limits: flowfile.ModelLimits{Concurrency: 4, Timeout: 20 * time.Second}, Price: flowfile.Price{InputPerMTok: 0.02},
		Budget: flowfile.Budget{USDPerDay: &nothing, OnExceed: "pause"}, Canary: 24 * time.Hour}
	if diff := cmp.Diff(want, f.Models["embedder"].(*model).config); diff != "" {
		t.Errorf("the model's config (-want +got)\n%s", diff)
	}
}

func TestModelsNamedByTheirKind(t *testing.T) {
	text := `flow: docs
sources: {docs: {files: {path: ./docs}}}
steps:
  a: {from: docs, embed: {model: openai/text-embedding-3-small, text: row.path}}
  b: {from: docs, embed: {model: openai/text-embedding-3-small, text: row.path}}
  c: {from: docs, embed: {model: builtin, text: row.path}}
sinks: {log: {from: a, jsonl: {path: out.jsonl}}}
`
	f, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: kinds(), LookupEnv: func(name string) (string, bool) {
		return canary, name == "OPENAI_API_KEY"
	}})
	if err != nil {
		t.Fatal(err)
	}
	m := f.Models["openai/text-embedding-3-small"].(*model)
	if m.openai.Model != "text-embedding-3-small" || m.openai.APIKey != canary || m.config.Batch.Rows != 64 {
		t.Errorf("the model is %+v", m)
	}
	if len(f.Models) != 2 {
		t.Errorf("%d models, want one for both steps and builtin", len(f.Models))
	}
	if got := f.Redact("401 for " + canary); got != "401 for ${OPENAI_API_KEY}" {
		t.Errorf("redacted: %s", got)
	}
}

func TestEnvironment(t *testing.T) {
	value := map[string]string{"DIR": "./docs", "N": "300", "OP": "row.size > 1"}
	for _, c := range []struct{ what, path, want string }{
		{"a whole value", "${DIR}", "./docs"},
		{"a part", "'a/${DIR}/${N}.md'", "a/./docs/300.md"},
		{"an escape", "'$${DIR}${N}'", "${DIR}300"},
		{"a dollar alone", "'$DIR $$ {N}'", "$DIR $$ {N}"},
		{"in a block", "|-\n        ${DIR}\n        x", "./docs\nx"},
	} {
		text := "flow: docs\nsources:\n  docs:\n    files:\n      path: " + c.path + "\nsteps:\n" +
			"  a: {from: docs, split: {text: row.text, size: '${N}'}}\n  b: {from: docs, filter: '${OP}'}\n" +
			"sinks: {log: {from: a, jsonl: {path: out.jsonl}}}\n"
		var got string
		registry := kinds()
		registry.Sources["files"] = flowfile.SourceKind{Doc: "x", New: func() any { return new(filesConfig) },
			Build: func(config any, env *flowfile.Env) (stream.Source, error) {
				got = config.(*filesConfig).Path
				return newFiles(config, env)
			}}
		_, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: registry, LookupEnv: func(name string) (string, bool) {
			v, ok := value[name]
			return v, ok
		}})
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.what, got, err, c.want)
		}
	}
}

func TestTestsOfTheFile(t *testing.T) {
	text := good + `tests:
  - {step: chunks, given: [{path: a.md, text: null, size: 0x10, w: [1.5, true, {d: 2024-01-02}]}], want: []}
  - name: in words
    step: chunks
    given: []
    want:
      - path: "<&>"
`
	f, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: kinds(), LookupEnv: environment})
	if err != nil {
		t.Fatal(err)
	}
	want := []flowfile.Test{
		{Name: "chunks 1", Step: "chunks", Line: 34, Want: []flowfile.TestRow{},
			Given: []flowfile.TestRow{{Line: 34, JSON: json.RawMessage(`{"path":"a.md","text":null,"size":16,"w":[1.5,true,{"d":"2024-01-02"}]}`)}}},
		{Name: "in words", Step: "chunks", Line: 35, Given: []flowfile.TestRow{},
			Want: []flowfile.TestRow{{Line: 39, JSON: json.RawMessage(`{"path":"<&>"}`)}}},
	}
	if diff := cmp.Diff(want, f.Tests, cmpopts.IgnoreUnexported(flowfile.TestRow{})); diff != "" {
		t.Errorf("tests (-want +got)\n%s", diff)
	}
	schema := &cdc.Schema{Columns: []cdc.Column{{Name: "path", Type: cdc.Type{Kind: cdc.String}}}}
	if row, err := cdc.RowFromJSON(schema, f.Tests[1].Want[0].JSON); err != nil || row.At(0).TextView() != "<&>" {
		t.Errorf("the row does not read back: %v", err)
	}
}

func TestUnionsAndOrder(t *testing.T) {
	text := `flow: docs
sources:
  shop: {postgres: {dsn: "${PG_URL}", tables: {orders: public.orders, items: {table: public.items, columns: [id]}}}}
steps:
  a: {from: shop, extract: {model: builtin, prompt: ask, output: {z: string, a: [int], m: {x: "date?"}, e: "enum(a, b)?"}}}
sinks: {log: {from: shop, jsonl: {path: out.jsonl}}}
`
	var tables map[string]tableSpec
	registry := kinds()
	registry.Sources["postgres"] = flowfile.SourceKind{Doc: "x", New: func() any { return new(postgresConfig) },
		Build: func(config any, _ *flowfile.Env) (stream.Source, error) {
			tables = config.(*postgresConfig).Tables
			return files{}, nil
		}}
	_, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: registry, LookupEnv: environment})
	want := "flow.yaml:5:45: ask: z string, a [int], m {x: date?}, e enum(a, b)?"
	if err == nil || err.Error() != want {
		t.Errorf("extract was given\n%v\nwant\n%s", err, want)
	}
	if diff := cmp.Diff(map[string]tableSpec{"orders": {Table: "public.orders"}, "items": {"public.items", []string{"id"}}}, tables); diff != "" {
		t.Errorf("tables (-want +got)\n%s", diff)
	}
}

func TestAliasesAreBounded(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("flow: docs\nmodels: {a0: &a0 [x, x, x, x, x, x, x, x, x, x]")
	for i := range 9 {
		ref := "*a" + string(rune('0'+i))
		bomb.WriteString(", a" + string(rune('1'+i)) + ": &a" + string(rune('1'+i)) + " [" + strings.TrimSuffix(strings.Repeat(ref+", ", 10), ", ") + "]")
	}
	bomb.WriteString("}\n")
	start := time.Now()
	_, err := flowfile.Parse("flow.yaml", []byte(bomb.String()), flowfile.LoadOptions{Registry: kinds()})
	if err == nil || !strings.Contains(err.Error(), "expand without bound") {
		t.Errorf("ten billion values: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("refusing them took %v", took)
	}
	deep := "flow: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	if _, err := flowfile.Parse("flow.yaml", []byte(deep), flowfile.LoadOptions{Registry: kinds()}); err == nil {
		t.Error("a deep value is read")
	}
}

func TestDiagnosticForMachinesAndPeople(t *testing.T) {
	_, faults := validate(t, folder(t), strings.Replace(good, "size: 600", "size: big", 1))
	text, err := json.Marshal(faults)
	want := `[{"code":"wrong_type","message":"flow.yaml:21:13: \"size\" must be a whole number, not \"big\"","hint":"write ` + "`size: 400`" + `","line":21,"column":13}]`
	if err != nil || string(text) != want {
		t.Errorf("as JSON: %s, %v\nwant %s", text, err, want)
	}
	var plain, painted bytes.Buffer
	if err := errors.Join(faults.Render(&plain, false), faults.Render(&painted, true)); err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsRune(plain.Bytes(), '\x1b') || !bytes.ContainsRune(painted.Bytes(), '\x1b') {
		t.Error("color is where it was not asked for, or not where it was")
	}
	if err := faults.Render(closed{}, false); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the writer's fault is lost: %v", err)
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestDiagnoseLaterFaults(t *testing.T) {
	f, faults := validate(t, folder(t), good)
	if faults != nil {
		t.Fatal(faults)
	}
	later := f.Diagnose(errors.Join(
		&stream.Problem{Code: "dims_mismatch", Node: "vectors", Field: "model", Message: "the server answers with 384 numbers for " + canary},
		&stream.Problem{Code: "unknown_column", Node: "index/vectors", Field: "chunk", Message: "no"},
		&stream.Problem{Code: "bad_value", Node: "nobody", Message: "no"}, errors.New("the server said "+canary)))
	var got []string
	for _, d := range later {
		got = append(got, d.Error()+" | "+d.Code)
		if d.Hint == "" || strings.Contains(d.Snippet, canary) {
			t.Errorf("%v: hint %q, snippet %s", d, d.Hint, d.Snippet)
		}
	}
	want := []string{"flow.yaml:1:1: no | bad_value", "flow.yaml:1:1: the server said ${FRESHET_ACCEPT_KEY} | internal",
		"flow.yaml:26:14: the server answers with 384 numbers for ${FRESHET_ACCEPT_KEY} | dims_mismatch", "flow.yaml:32:21: no | unknown_column"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
