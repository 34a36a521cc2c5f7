package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// A flow that is killed within its writes, over a server that loses answers, ends with just the points that a flow has
// which was never disturbed.
func TestACollectionUnderKillsEndsAsWithout(t *testing.T) {
	const kills = 10
	server := qdranttest.Start(t, qdranttest.Options{})
	t.Setenv("QDRANT_URL", server.URL())
	dir, flow := copied(t, "qdrant", "pages, index", "pages, index")
	rng := rand.New(rand.NewPCG(11, 1))
	page := func() {
		t.Helper()
		path := filepath.Join(dir, "pages", fmt.Sprintf("page%d.md", rng.IntN(8)))
		if rng.IntN(4) == 0 {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			return
		}
		var text strings.Builder
		for i := range 1 + rng.IntN(6) {
			fmt.Fprintf(&text, "# Part %d\n\n%s\n\n", i, strings.Repeat(fmt.Sprintf("word%d of this part ", rng.IntN(50)), 10))
		}
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range kills {
		written := make(chan struct{})
		left := 1 + rng.IntN(6) // the first writes the record of the opening
		faulty := rng.IntN(2) == 0
		var once sync.Once
		var calls atomic.Int64
		server.Before(func(method string) {
			if method != "UpdateBatch" {
				return
			}
			n := int(calls.Add(1))
			if n == 2 && faulty {
				server.Script(qdranttest.LostAck, qdranttest.Partial)
			}
			if n >= left {
				once.Do(func() { close(written) })
			}
		})
		s := serve(t, flow)
		for over := false; !over; { // until it is in the middle of a write
			select {
			case <-written:
				over = true
			default:
				page()
			}
		}
		s.kill()
		server.Before(nil)
		server.Forgive()
	}
	run := func(flow string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := execute([]string{"run", flow, "--once"}, &out, &errs); code != exitOK {
			t.Fatalf("exit %d: %s %s", code, out.String(), errs.String())
		}
	}
	run(flow)
	text, err := os.ReadFile(flow)
	if err == nil {
		text = bytes.Replace(bytes.Replace(text, []byte("flow: pages"), []byte("flow: calm"), 1), []byte("collection: pages"), []byte("collection: calm"), 1)
		err = os.WriteFile(filepath.Join(dir, "calm.yaml"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	run(filepath.Join(dir, "calm.yaml"))
	if diff := cmp.Diff(server.Texts("calm", "chunk"), server.Texts("pages", "chunk")); diff != "" || len(server.Texts("calm", "chunk")) < 3 {
		t.Errorf("the collection differs from that of a calm flow (-calm +killed):\n%s", diff)
	}
}
