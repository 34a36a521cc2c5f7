package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An index that is full waits for a person: --once ends with what it says, and a service says it to whoever asks. With more
// memory the flow goes on where it stood.
func TestAFullIndexIsForAPersonToMend(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	flow, state := filepath.Join(dir, "flow.yaml"), filepath.Join(dir, ".freshet", "full")
	declare := func(memory string) {
		t.Helper()
		text := "flow: full\nlimits: {memory: " + memory + ", disk_free: 1MiB}\nsources: {docs: {files: {path: ./docs}}}\n" +
			"steps:\n  parts: {from: docs, split: {text: row.text, size: 40}}\n  vectors: {from: parts, embed: {model: builtin, text: row.chunk}}\n" +
			"sinks: {index: {from: vectors, vector: {}, columns: [path]}}\n"
		if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o700); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i := range 6000 {
		fmt.Fprintf(&text, "This is paragraph number %d.\n\n", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "docs", "a.md"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	declare("16MiB")
	code, envelope, said := verb(t, "run", flow, "--once")
	told, _ := envelope["error"].(map[string]any)
	message, _ := told["message"].(string)
	hint, _ := told["hint"].(string)
	if code != exitRunTime || told["code"] != "index_full" || !strings.Contains(message, "write sink index: grow vector index: needs ") || !strings.Contains(hint, "raise limits.memory") {
		t.Fatalf("exit %d: %s", code, said)
	}
	service := serve(t, flow)
	if said, ok := comesToSay(state, "/readyz", "sink index: index_full: "); !ok {
		t.Fatal(said)
	}
	var out bytes.Buffer
	if code := execute([]string{"status", flow}, &out, &out); code != exitOK || !strings.Contains(out.String(), "a person has to act: raise limits.memory") {
		t.Errorf("status exits %d and says %s", code, out.String())
	}
	service.stop()
	declare("128MiB")
	if code, _, said := verb(t, "run", flow, "--once"); code != exitOK {
		t.Fatalf("with more memory: exit %d: %s", code, said)
	}
}
