package flowfile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/stream/flowfile"
)

const good = `flow: bad
limits: {memory: 256MiB, disk_free: 1MiB}
models:
  embedder:
    openai:
      base_url: "http://127.0.0.1:1"
      model: accept-small
      api_key: "${FRESHET_ACCEPT_KEY}"
    dims: 64
    limits: {concurrency: 4, timeout: 20s}
sources:
  docs:
    files:
      path: ./docs
steps:
  chunks:
    from: docs
    split:
      text: row.text
      by: recursive
      size: 600
      overlap: 20
  vectors:
    from: chunks
    embed:
      model: embedder
      text: row.chunk
sinks:
  index:
    from: vectors
    vector: {metric: cosine}
    columns: [path, chunk, vector]
`

// canary is the value of a variable; it must never be seen.
const canary = "sk-canary-7f3a9d-Zq"

func environment(name string) (string, bool) {
	switch name {
	case "FRESHET_ACCEPT_KEY":
		return canary, true
	case "PG_URL":
		return "postgres://app:" + canary + "@db/docs", true
	case "EMPTY":
		return "", true
	}
	return "", false
}

// folder is a folder with docs in it.
func folder(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// validate does what the verb does: read, then plan.
func validate(t testing.TB, dir, text string) (*flowfile.File, flowfile.Diagnostics) {
	t.Helper()
	return validateWith(t, kinds(), dir, text)
}

func validateWith(t testing.TB, r flowfile.Registry, dir, text string) (*flowfile.File, flowfile.Diagnostics) {
	t.Helper()
	f, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: r, LookupEnv: environment, Dir: dir})
	if err == nil {
		_, err = f.Plan(context.Background())
	}
	var faults flowfile.Diagnostics
	if err != nil && !errors.As(err, &faults) {
		t.Fatalf("the error is no Diagnostics: %v", err)
	}
	return f, faults
}

func TestGoodFlow(t *testing.T) {
	if _, faults := validateWith(t, realKinds(), folder(t), good); faults != nil {
		t.Fatalf("the good flow is bad for the kinds of the product: %v", faults)
	}
	f, faults := validate(t, folder(t), good)
	if faults != nil {
		t.Fatalf("the flow that all bad ones are made from is good: %v", faults)
	}
	if f.Name != "bad" || f.Flow.Limits.MemoryBytes != 256<<20 || f.Flow.Limits.DiskFree != 1<<20 {
		t.Errorf("name %q, limits %+v", f.Name, f.Flow.Limits)
	}
	if f.Models["embedder"].(*model).openai.APIKey != canary {
		t.Error("the value of the variable has not reached the model")
	}
}

func TestFlowInBracesWithSwap(t *testing.T) {
	text := `flow: accept
limits: {memory: 512MiB, disk_free: 1MiB}
models:
  embedder:
    openai:
      base_url: "http://127.0.0.1:1"
      model: accept-small
      api_key: "${FRESHET_ACCEPT_KEY}"
    dims: 64
    batch: {rows: 32}
    limits: {concurrency: 4, timeout: 20s}
sources:
  docs:
    files: {path: ./docs, include: ["**/*"]}
steps:
  chunks:
    from: docs
    split: {text: row.text, by: recursive, size: 600, overlap: 0, unit: chars}
  vectors:
    from: chunks
    embed: {model: embedder, text: row.chunk, as: vector}
sinks:
  log: {from: vectors, jsonl: {path: ./out.jsonl}, columns: [path, chunk]}
  index: {from: vectors, vector: {metric: cosine}, columns: [path, chunk, vector], on_logic_change: swap}
`
	f, faults := validateWith(t, realKinds(), folder(t), text)
	if faults != nil {
		t.Fatal(faults)
	}
	plan, err := f.Plan(t.Context())
	if err != nil || len(plan.Sinks) != 2 || plan.Sinks[0].Swap || !plan.Sinks[1].Swap {
		t.Errorf("plan %+v, %v", plan, err)
	}
	if got := plan.Sinks[0].Inputs[0].Schema.Names(); !slices.Equal(got, []string{"path", "chunk"}) {
		t.Errorf("the log holds %v", got)
	}
}

func BenchmarkParse(b *testing.B) {
	r := kinds()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := flowfile.Parse("flow.yaml", []byte(good), flowfile.LoadOptions{Registry: r, LookupEnv: environment}); err != nil {
			b.Fatal(err)
		}
	}
}

// anywhere is the offset of a fault that has no line of its own.
const anywhere = -1

const some = "  some:\n    from: docs\n    filter: "

type badFlow struct {
	what, old, new string
	offset         int // from the line of old to that of the fault
	codes          string
	exit           string
	said           string
}

func badFlows() []badFlow {
	return []badFlow{
		{"unknown top-level key", "sources:", "sorces:", 0, "unknown_key", "2", "sources"},
		{"unknown key of an operator", "      overlap: 20", "      overlp: 20", 0, "unknown_key", "2", "overlap"},
		{"unknown operator", "    split:", "    spilt:", 0, "unknown_key unknown_kind", "2", "split"},
		{"unknown source kind", "    files:", "    filez:", 0, "unknown_kind unknown_key", "2", "files"},
		{"unknown sink kind", "    vector: {metric: cosine}", "    vectr: {metric: cosine}", 0, "unknown_kind unknown_key", "2", "vector"},
		{"wrong type", "      size: 600", "      size: big", 0, "wrong_type bad_value", "2", ""},
		{"a list where a name is wanted", "      model: embedder", "      model: [embedder]", 0, "wrong_type", "2", ""},
		{"missing environment variable", `"${FRESHET_ACCEPT_KEY}"`, `"${FRESHET_NOT_SET_ANYWHERE}"`, 0, "missing_env", "2", "FRESHET_NOT_SET_ANYWHERE"},
		{"cycle", "    from: docs", "    from: vectors", anywhere, "cycle", "2", ""},
		{"duplicate name", "  vectors:", "  chunks:", 0, "duplicate_name", "2", "chunks"},
		{"a step named as a source", "  chunks:", "  docs:", anywhere, "duplicate_name", "2", "docs"},
		{"`from` names nothing", "    from: chunks", "    from: chnks", 0, "unknown_name", "2", "chunks"},
		{"unknown column", "      text: row.text", "      text: row.txt", 0, "unknown_column", "2", "text"},
		{"unknown column in a sink", "[path, chunk, vector]", "[path, chnk, vector]", 0, "unknown_column", "2", "chunk"},
		{"expression that does not parse", "      text: row.chunk", "      text: 'row.chunk +'", 0, "expression_syntax", "2", ""},
		{"types that do not meet", "      text: row.chunk", "      text: 'row.chunk + 5'", 0, "expression_type", "2", ""},
		{"null misuse", "  vectors:", some + "'row.size > null'\n  vectors:", 2, "expression_type null_misuse", "2", ""},
		{"a condition that is no condition", "  vectors:", some + "'row.size + 1'\n  vectors:", 2, "expression_type", "2", ""},
		{"bad dims", "    dims: 64", "    dims: -3", 0, "bad_value", "2", ""},
		{"unknown model", "      model: embedder", "      model: embeder", 0, "unknown_model", "2", "embedder"},
		{"overlap not below size", "      overlap: 20", "      overlap: 600", 0, "bad_value", "2", ""},
		{"bad duration", "timeout: 20s}", "timeout: 20 parsecs}", 0, "bad_value", "2", ""},
		{"bad size", "memory: 256MiB,", "memory: 256MiBB,", 0, "bad_value", "2", ""},
		{"no vector for a vector sink", "    from: vectors", "    from: chunks", anywhere, "no_vector_column unknown_column", "2", ""},
		{"YAML that does not parse", "[path, chunk, vector]", "[path, chunk, vector", 0, "yaml_syntax", "2", ""},
		{"a step without operator", "    embed:\n      model: embedder\n      text: row.chunk\n", "", anywhere, "missing_key", "2", ""},
		{"a source path that is not there", "      path: ./docs", "      path: ./no-such-folder", 0, "path_unreadable", "3", "no-such-folder"},
	}
}

func TestBadFlows(t *testing.T) {
	dir := folder(t)
	for name, r := range map[string]flowfile.Registry{"small kinds": kinds(), "the kinds of the product": realKinds()} {
		if err := r.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, c := range badFlows() {
			t.Run(name+": "+c.what, func(t *testing.T) {
				if !strings.Contains(good, c.old) {
					t.Fatal("the case does not fit")
				}
				_, faults := validateWith(t, r, dir, strings.Replace(good, c.old, c.new, 1))
				c.check(t, faults)
			})
		}
	}
}

// check compares the first diagnostic with what is wanted of it.
func (c badFlow) check(t *testing.T, faults flowfile.Diagnostics) {
	if len(faults) == 0 {
		t.Fatal("no fault is told")
	}
	first := faults[0]
	if !slices.Contains(strings.Fields(c.codes), first.Code) {
		t.Errorf("code %s, want %s", first.Code, c.codes)
	}
	want := strings.Count(good[:strings.Index(good, c.old)], "\n") + 1 + c.offset
	if c.offset == anywhere && first.Line == 0 || c.offset != anywhere && first.Line != want {
		t.Errorf("line %d, want %d", first.Line, want)
	}
	if got := []string{"0", "1", "2", "3"}[first.Exit]; got != c.exit || faults.Exit() != first.Exit {
		t.Errorf("exit %s, want %s", got, c.exit)
	}
	if first.Hint == "" || !strings.Contains(first.Hint+first.Message, c.said) {
		t.Errorf("hint %q and message %q do not name %q", first.Hint, first.Message, c.said)
	}
	if len(faults) > 1 {
		t.Errorf("one mistake is told %d times: %v", len(faults), faults)
	}
}
