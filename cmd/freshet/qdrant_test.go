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

// library is the example of a collection, over a server in the process.
type library struct {
	t         *testing.T
	server    *qdranttest.Server
	key       string
	dir, flow string
}

func newLibrary(t *testing.T, key string) *library {
	t.Helper()
	l := &library{t: t, server: qdranttest.Start(t, qdranttest.Options{APIKey: key}), key: key}
	l.dir, l.flow = copied(t, "qdrant", `url: "${QDRANT_URL}"`, `url: "${QDRANT_URL}", api_key: "${QDRANT_KEY}"`)
	t.Setenv("QDRANT_URL", l.server.URL())
	t.Setenv("QDRANT_KEY", key)
	return l
}

// ask runs a verb, which shows the key to nobody.
func (l *library) ask(args ...string) string {
	l.t.Helper()
	var out, errs bytes.Buffer
	if code := execute(args, &out, &errs); code != exitOK {
		l.t.Fatalf("%v: exit %d: %s %s", args, code, out.String(), errs.String())
	}
	if strings.Contains(out.String()+errs.String(), l.key) {
		l.t.Errorf("%v shows the key", args)
	}
	return out.String()
}

// run runs the flow, which writes at most so many times.
func (l *library) run(most int) {
	l.t.Helper()
	before := l.server.Calls("UpdateBatch")
	l.ask("run", l.flow, "--once")
	if n := l.server.Calls("UpdateBatch") - before; n > most {
		l.t.Errorf("the run writes %d times", n)
	}
}

// finds makes sure that a search finds the page on returns, with a word.
func (l *library) finds(when, word string) {
	l.t.Helper()
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
	text := l.ask("query", l.flow, "how do I get my money back for an article that I send back", "--json", "-k", "3", "--where", `row.path.endsWith(".md")`)
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Data.Hits) == 0 {
		l.t.Fatalf("%s a search gives %s: %v", when, text, err)
	}
	if row := answer.Data.Hits[0].Row; row.Path != "returns.md" || !strings.Contains(row.Chunk, word) {
		l.t.Errorf("%s it finds %s: %s", when, row.Path, row.Chunk)
	}
}

// edit replaces a text of the flow.
func (l *library) edit(old, new string) {
	l.t.Helper()
	text, err := os.ReadFile(l.flow)
	if err == nil {
		err = os.WriteFile(l.flow, bytes.Replace(text, []byte(old), []byte(new), 1), 0o600)
	}
	if err != nil || !bytes.Contains(text, []byte(old)) {
		l.t.Fatalf("replace %q: %v", old, err)
	}
}

// discreet makes sure that the key is in no file.
func (l *library) discreet() {
	l.t.Helper()
	err := filepath.WalkDir(l.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte(l.key)) {
			l.t.Errorf("%s holds the key", path)
		}
		return err
	})
	if err != nil {
		l.t.Error(err)
	}
}

// everything is more writes than any run of the example takes; opened are those of an opening that finds nothing new.
const (
	everything = 100
	opened     = 2
)

// The example of a collection does what it says, here over a server in the process: rows are searched, follow their
// pages, and move to another collection with another metric, under the same name.
func TestExampleOfACollection(t *testing.T) {
	l := newLibrary(t, "a-key-that-nobody-shall-see")
	l.ask("doctor", l.flow)
	if plan := l.ask("plan", l.flow); !strings.Contains(plan, "pages--pages-index-") {
		t.Errorf("the plan does not say what it makes: %s", plan)
	}
	l.run(everything)
	l.finds("at first", "refund")
	l.run(opened)
	page := filepath.Join(l.dir, "pages", "returns.md")
	if err := os.WriteFile(page, []byte("# Returns\n\nNo money back for what you send back: vouchers only.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.run(everything)
	l.finds("after the page has changed", "vouchers")
	l.edit("vectors: {from: chunks,", "embedded: {from: chunks, was: vectors,")
	l.edit("from: vectors", "from: embedded")
	l.run(opened)
	l.finds("after a step has another name", "vouchers")
	l.edit("collection: pages,", "collection: pages, metric: l2,")
	l.run(everything)
	l.finds("with another metric", "vouchers")
	l.server.Wipe()
	l.run(everything)
	l.finds("after the server has lost everything", "vouchers")
	if wrong := l.server.Wrong(); len(wrong) > 0 {
		t.Errorf("the sink writes in a way that may be lost: %v", wrong)
	}
	l.discreet()
}

// scribble writes or removes some page.
func (l *library) scribble(rng *rand.Rand) {
	l.t.Helper()
	path := filepath.Join(l.dir, "pages", fmt.Sprintf("page%d.md", rng.IntN(8)))
	if rng.IntN(4) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			l.t.Fatal(err)
		}
		return
	}
	var text strings.Builder
	for i := range 1 + rng.IntN(6) {
		fmt.Fprintf(&text, "# Part %d\n\n%s\n\n", i, strings.Repeat(fmt.Sprintf("word%d of this part ", rng.IntN(50)), 10))
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// disturb runs the flow while pages change, and kills it within its n-th write.
func (l *library) disturb(rng *rand.Rand, n int, faults ...qdranttest.Fault) {
	l.t.Helper()
	written := make(chan struct{})
	within := sync.OnceFunc(func() { close(written) })
	var calls atomic.Int64
	l.server.Before(func(method string) {
		if method != "UpdateBatch" {
			return
		}
		at := int(calls.Add(1))
		if at == opened {
			l.server.Script(faults...)
		}
		if at >= n {
			within()
		}
	})
	s := serve(l.t, l.flow)
	for over := false; !over; {
		select {
		case <-written:
			over = true
		default:
			l.scribble(rng)
		}
	}
	s.kill()
	l.server.Before(nil)
	l.server.Forgive()
}

// A flow that is killed within its writes, over a server that loses answers, ends with just the points that a flow has
// which was never disturbed.
func TestACollectionUnderKillsEndsAsWithout(t *testing.T) {
	l := newLibrary(t, "another-key-of-nobody")
	rng := rand.New(rand.NewPCG(11, 1))
	for range 10 {
		var faults []qdranttest.Fault
		if rng.IntN(2) == 0 {
			faults = []qdranttest.Fault{qdranttest.LostAck, qdranttest.Partial}
		}
		l.disturb(rng, 1+rng.IntN(6), faults...)
	}
	l.run(everything)
	l.edit("flow: pages", "flow: calm")
	l.edit("collection: pages", "collection: calm")
	l.run(everything)
	calm := l.server.Texts("calm", "chunk")
	if diff := cmp.Diff(calm, l.server.Texts("pages", "chunk")); diff != "" || len(calm) < 3 {
		t.Errorf("the collection differs from that of a calm flow (-calm +killed):\n%s", diff)
	}
}
