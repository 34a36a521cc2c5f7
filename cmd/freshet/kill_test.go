package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// deathEnv names the durable step at which a mortal program kills itself, and how often it passes there
// before: "commit.after:2".
const deathEnv = "FRESHET_TEST_DEATH"

// mortal is the program, but that SIGKILL meets it where the environment says.
func mortal() {
	step, nth, _ := strings.Cut(os.Getenv(deathEnv), ":")
	n, err := strconv.Atoi(nth)
	if err != nil {
		panic(err)
	}
	var met atomic.Int64
	c := newConsole(os.Args[1:], os.Stdout, os.Stderr)
	c.crash = func(point string) {
		if point == step && met.Add(1) == int64(n) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal may take a moment
		}
	}
	os.Exit(c.execute(os.Args[1:]))
}

// payingServer counts how often each text was asked for.
type payingServer struct {
	*httptest.Server
	mu   sync.Mutex
	paid map[string]int
}

func newPayingServer(t *testing.T) *payingServer {
	t.Helper()
	model := newModelServer()
	t.Cleanup(model.Close)
	s := &payingServer{paid: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var asked struct{ Input []string }
		if err := json.Unmarshal(body, &asked); err == nil {
			s.mu.Lock()
			for _, text := range asked.Input {
				s.paid[text]++
			}
			s.mu.Unlock()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		model.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// most is how often the text that was paid most was paid.
func (s *payingServer) most() (times int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for of, n := range s.paid {
		if n > times {
			times, text = n, of
		}
	}
	return times, text
}

// mortalFlow is a folder of documents, and two flows over it: one that is killed, and one that starts from
// nothing and lives: the oracle.
type mortalFlow struct {
	t       *testing.T
	docs    string
	program string
	live    string // folders of the flow files
	rng     *rand.Rand
	edition int
}

func newMortalFlow(t *testing.T, url string) *mortalFlow {
	t.Helper()
	dir := t.TempDir()
	f := &mortalFlow{t: t, docs: filepath.Join(dir, "docs"), program: filepath.Join(dir, "mortal"), live: filepath.Join(dir, "live"),
		rng: rand.New(rand.NewPCG(7, 11))}
	if err := os.MkdirAll(f.docs, 0o755); err != nil {
		t.Fatal(err)
	}
	f.declare(f.live, url)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, f.program); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		f.write(i)
	}
	return f
}

func (f *mortalFlow) declare(dir, url string) {
	f.t.Helper()
	flow := `flow: mortal
limits: {memory: 64MiB, disk_free: 1MiB}
models: {embedder: {openai: {base_url: "` + url + `/v1", model: small, api_key: ` + modelKey + `}, dims: 64, batch: {rows: 3}}}
sources: {docs: {files: {path: "` + f.docs + `"}}}
steps:
  chunks: {from: docs, split: {text: row.text, size: 60}}
  vectors: {from: chunks, embed: {model: embedder, text: row.chunk}}
sinks:
  index: {from: vectors, vector: {}, columns: [path, chunk]}
  log: {from: vectors, jsonl: {path: log.jsonl}}
`
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "flow.yaml"), []byte(flow), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// write gives a document another edition: one paragraph is new, one is shared by all, others stay.
func (f *mortalFlow) write(doc int) {
	f.t.Helper()
	f.edition++
	text := fmt.Sprintf("# Document %d\n\nThis is what document %d has said since its first day.\n\nEdition %d of document %d is about to be read.\n\nAll documents end alike.\n",
		doc, doc, f.edition, doc)
	if err := os.WriteFile(filepath.Join(f.docs, fmt.Sprintf("%02d.md", doc)), []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// change edits, adds, removes and renames.
func (f *mortalFlow) change() {
	f.t.Helper()
	for range 4 {
		f.write(f.rng.IntN(14))
	}
	gone := filepath.Join(f.docs, fmt.Sprintf("%02d.md", f.rng.IntN(14)))
	moved := filepath.Join(f.docs, fmt.Sprintf("%02d.md", f.rng.IntN(14)))
	if err := os.Rename(gone, moved); err != nil && !errors.Is(err, os.ErrNotExist) {
		f.t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(f.docs, fmt.Sprintf("%02d.md", f.rng.IntN(14)))); err != nil && !errors.Is(err, os.ErrNotExist) {
		f.t.Fatal(err)
	}
}

// run runs a flow once and tells whether it was killed.
func (f *mortalFlow) run(dir, death string) (killed bool) {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), f.program, "run", filepath.Join(dir, "flow.yaml"), "--once", "--json")
	cmd.Env = append(os.Environ(), deathEnv+"="+death)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		f.t.Fatalf("a run that is to die at %q ends with %v: %s", death, err, out)
	}
	return true
}

// rows is what both sinks of a flow hold.
func (f *mortalFlow) rows(dir string) (log, index map[string]string) {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "log.jsonl"))
	if err != nil {
		f.t.Fatal(err)
	}
	log, index = map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(text)) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			f.t.Fatalf("line %q: %v", line, err)
		}
		key := fmt.Sprint(row["_key"])
		if row["_op"] == "delete" {
			delete(log, key)
			continue
		}
		log[key] = fmt.Sprintf("%v: %v %v", row["path"], row["chunk"], row["embedding"])
	}
	cmd := exec.CommandContext(f.t.Context(), f.program, "query", filepath.Join(dir, "flow.yaml"), "document", "-k", "1000", "--json")
	cmd.Env = append(os.Environ(), deathEnv+"=never:1")
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatalf("query: %v: %s", err, out)
	}
	var found struct {
		Data struct {
			Hits []struct {
				Key   string
				Score float64
				Row   map[string]any
			}
		}
	}
	if err := json.Unmarshal(out, &found); err != nil {
		f.t.Fatal(err)
	}
	for _, hit := range found.Data.Hits {
		index[hit.Key] = fmt.Sprintf("%v: %v, %.4f", hit.Row["path"], hit.Row["chunk"], hit.Score)
	}
	return log, index
}

// TestKilledAtEveryStepOfTheRealProcess kills the program with SIGKILL at each durable step, the first times
// that it comes there, over documents that change in between. Every sink ends as one that began with
// nothing, and no text is paid for more often than kills explain. (I1, I2, I3, I5, I6, I7)
func TestKilledAtEveryStepOfTheRealProcess(t *testing.T) {
	times := 3
	if testing.Short() {
		times = 1
	} else if os.Getenv("FRESHET_SOAK") == "1" {
		times = 40
	}
	server := newPayingServer(t)
	f := newMortalFlow(t, server.URL)
	kills := map[string]int{}
	for _, step := range []string{"memo.answer", "commit.memo", "commit.before", "commit.after", "sink.send", "sink.acked"} {
		for nth := range times {
			f.change()
			if f.run(f.live, fmt.Sprintf("%s:%d", step, nth+1)) {
				kills[step]++
			}
		}
		if kills[step] == 0 {
			t.Errorf("nothing was killed at %s", step)
		}
	}
	if f.run(f.live, "never:1") {
		t.Fatal("the last run was killed")
	}
	total := 0
	for _, n := range kills {
		total += n
	}
	t.Logf("killed %d times: %v", total, kills)
	// A text is paid again only if the process dies between the model's reply and the memo.
	if n, text := server.most(); n > 1+kills["memo.answer"] {
		t.Errorf("%q was paid for %d times", text, n)
	}
	oracle := filepath.Join(t.TempDir(), "oracle")
	f.declare(oracle, newPayingServer(t).URL)
	f.run(oracle, "never:1")
	log, index := f.rows(f.live)
	wantLog, wantIndex := f.rows(oracle)
	if diff := cmp.Diff(wantLog, log); diff != "" {
		t.Errorf("the log differs from the oracle's (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantIndex, index); diff != "" || len(index) == 0 {
		t.Errorf("the index of %d rows differs from the oracle's (-want +got):\n%s", len(index), diff)
	}
}
