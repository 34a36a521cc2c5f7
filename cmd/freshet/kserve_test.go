package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freshet/freshet/accel/builtin"
	"github.com/freshet/freshet/accel/kserve/kservetest"
)

// A flow asks a model behind KServe v2 for the length of its vectors, for those of rows, each text once (I7), and for that of a
// question, by which the row is found.
func TestAModelBehindKServeFindsTheRow(t *testing.T) {
	model, err := builtin.New(64)
	if err != nil {
		t.Fatal(err)
	}
	dims := model.Identity().Dims
	server := kservetest.Start(t, kservetest.Metadata("bge", "3", dims), func(texts []string) ([]byte, error) {
		reply, err := model.Embed(t.Context(), texts)
		return kservetest.Vectors("bge", "3", "VECTOR", reply.Vectors), err
	})
	dir := t.TempDir()
	flow := filepath.Join(dir, "flow.yaml")
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := func(args ...string) map[string]any {
		t.Helper()
		code, data, fault := said(t, args...)
		if code != exitOK {
			t.Fatalf("%v: exit %d: %s", args, code, fault)
		}
		return data
	}
	// asks is what the server is asked while do runs.
	asks := func(do func()) []string {
		before := len(server.Asked())
		do()
		texts := slices.Concat(server.Asked()[before:]...)
		slices.Sort(texts)
		return texts
	}
	const invoices, refunds, rivers = "Invoices are sent by mail on the first day of a month.", "Money is given back within two weeks.", "Rivers carry water from the mountains to the sea."
	write("docs/invoices.md", invoices)
	write("docs/refunds.md", refunds)
	declared := "flow: served\nlimits: {memory: 64MiB, disk_free: 1MiB}\nmodels: {served: {kserve: {url: \"" + server.URL() + "\", model: bge}}}\n" +
		"sources: {docs: {files: {path: ./docs}}}\nsteps: {vectors: {from: docs, embed: {model: served, text: row.text}}}\nsinks: {index: {from: vectors, vector: {metric: cosine}, columns: [path]}}\n"
	write("flow.yaml", declared)

	if got := asks(func() { good("run", flow, "--once") }); !slices.Equal(got, []string{invoices, refunds}) {
		t.Errorf("the first run asks for the vectors of %q", got)
	}
	finds := func(question, path string) {
		t.Helper()
		var hits []any
		if got := asks(func() { hits, _ = good("query", flow, question, "-k", "1")["hits"].([]any) }); !slices.Equal(got, []string{question}) {
			t.Errorf("the search for %q asks for the vectors of %q", question, got)
		}
		if len(hits) != 1 || hits[0].(map[string]any)["row"].(map[string]any)["path"] != path {
			t.Errorf("the search for %q finds %v, want %s", question, hits, path)
		}
	}
	finds("when do I get my money back", "refunds.md")
	finds("which day are invoices sent", "invoices.md")

	write("docs/refunds.md", rivers)
	if got := asks(func() { good("run", flow, "--once") }); !slices.Equal(got, []string{rivers}) {
		t.Errorf("the run after an edit asks for the vectors of %q", got)
	}
	finds("where does the water of rivers go", "refunds.md")

	write("flow.yaml", strings.Replace(declared, "model: bge", "model: bge, output: LOGITS", 1))
	if code, _, fault := said(t, "doctor", flow); code != exitRunTime || !strings.HasPrefix(fault, "model_error\n") || !strings.Contains(fault, "LOGITS") {
		t.Errorf("doctor of an output that the model does not have: exit %d: %s", code, fault)
	}
}
