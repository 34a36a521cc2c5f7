package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/sinks/qdrant/qdranttest"
)

// The example of a collection does what it says, here over a server in the process: rows are searched, follow their
// pages, and move to another collection with another model, under the same name.
func TestExampleOfACollection(t *testing.T) {
	const key = "a-key-that-nobody-shall-see"
	server := qdranttest.Start(t, qdranttest.Options{APIKey: key})
	dir, flow := copied(t, "qdrant", `url: "${QDRANT_URL}"`, `url: "${QDRANT_URL}", api_key: "${QDRANT_KEY}"`)
	t.Setenv("QDRANT_URL", server.URL())
	t.Setenv("QDRANT_KEY", key)
	ask := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := execute(args, &out, &errs); code != exitOK {
			t.Fatalf("%v: exit %d: %s %s", args, code, out.String(), errs.String())
		}
		if strings.Contains(out.String()+errs.String(), key) {
			t.Errorf("%v shows the key", args)
		}
		return out.String()
	}
	found := func() (path, chunk string) {
		t.Helper()
		var answer struct {
			Data struct {
				Hits []struct {
					Row struct {
						Path  string `json:"path"`
						Chunk string `json:"chunk"`
					} `json:"row"`
				} `json:"hits"`
			} `json:"data"`
		}
		text := ask("query", flow, "how do I get my money back for an article that I send back", "--json", "-k", "3", "--where", `row.path.endsWith(".md")`)
		if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Data.Hits) == 0 {
			t.Fatalf("a search gives %s: %v", text, err)
		}
		return answer.Data.Hits[0].Row.Path, answer.Data.Hits[0].Row.Chunk
	}
	ask("doctor", flow)
	if plan := ask("plan", flow); !strings.Contains(plan, "pages--pages-index-") {
		t.Errorf("the plan does not say what it makes: %s", plan)
	}
	ask("run", flow, "--once")
	if path, chunk := found(); path != "returns.md" || !strings.Contains(chunk, "refund") {
		t.Errorf("it finds %s: %s", path, chunk)
	}
	writes := server.Calls("UpdateBatch")
	ask("run", flow, "--once")
	if n := server.Calls("UpdateBatch") - writes; n > 2 { // who has opened it is written down
		t.Errorf("a run that finds nothing new writes %d times", n)
	}
	page := filepath.Join(dir, "pages", "returns.md")
	if err := os.WriteFile(page, []byte("# Returns\n\nNo money back for what you send back: vouchers only.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask("run", flow, "--once")
	if path, chunk := found(); path != "returns.md" || !strings.Contains(chunk, "vouchers") {
		t.Errorf("after the page has changed it finds %s: %s", path, chunk)
	}
	edit := func(old, new string) {
		t.Helper()
		text, err := os.ReadFile(flow)
		if err == nil {
			err = os.WriteFile(flow, bytes.Replace(text, []byte(old), []byte(new), 1), 0o600)
		}
		if err != nil || !bytes.Contains(text, []byte(old)) {
			t.Fatalf("replace %q: %v", old, err)
		}
	}
	edit("vectors: {from: chunks,", "embedded: {from: chunks, was: vectors,")
	edit("from: vectors", "from: embedded")
	writes = server.Calls("UpdateBatch")
	ask("run", flow, "--once")
	if n := server.Calls("UpdateBatch") - writes; n > 2 {
		t.Errorf("a step with another name writes %d times", n)
	}
	if path, chunk := found(); path != "returns.md" || !strings.Contains(chunk, "vouchers") {
		t.Errorf("after a step has another name it finds %s: %s", path, chunk)
	}
	edit("collection: pages,", "collection: pages, metric: l2,")
	ask("run", flow, "--once")
	if path, chunk := found(); path != "returns.md" || !strings.Contains(chunk, "vouchers") {
		t.Errorf("with another metric it finds %s: %s", path, chunk)
	}
	server.Wipe()
	ask("run", flow, "--once")
	if path, chunk := found(); path != "returns.md" || !strings.Contains(chunk, "vouchers") {
		t.Errorf("after the server has lost everything it finds %s: %s", path, chunk)
	}
	if wrong := server.Wrong(); len(wrong) > 0 {
		t.Errorf("the sink writes in a way that may be lost: %v", wrong)
	}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(key)) {
			t.Errorf("%s holds the key", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
