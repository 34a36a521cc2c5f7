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

	"github.com/freshet/freshet/cdc/s3/s3test"
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
	c := newCLI(os.Args[1:], os.Stdout, os.Stderr)
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

// repaid is how many texts were paid for that had been before.
func (s *payingServer) repaid() (texts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.paid {
		texts += n - 1
	}
	return texts
}

// shelf is where documents lie.
type shelf interface {
	source() string // of a flow
	put(name, text string)
	move(from, to string) // where it is there
	remove(name string)   // as well
}

// folderShelf is a folder of this machine.
type folderShelf struct {
	t   *testing.T
	dir string
}

func (s folderShelf) source() string { return `{files: {path: "` + s.dir + `"}}` }

func (s folderShelf) put(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s folderShelf) move(from, to string) {
	s.t.Helper()
	if err := os.Rename(filepath.Join(s.dir, from), filepath.Join(s.dir, to)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
}

func (s folderShelf) remove(name string) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
}

// bucketShelf is a bucket.
type bucketShelf struct {
	bucket   *s3test.Bucket
	endpoint string
}

func (s bucketShelf) source() string {
	return `{s3: {bucket: handbook, endpoint: "` + s.endpoint + `"}}`
}

func (s bucketShelf) put(name, text string) { s.bucket.Put(name, text) }

func (s bucketShelf) move(from, to string) {
	if object, ok := s.bucket.Head(from); ok {
		s.bucket.Put(to, string(object.Content))
		s.bucket.Delete(from)
	}
}

func (s bucketShelf) remove(name string) { s.bucket.Delete(name) }

// mortalFlow is a shelf of documents, and two flows over it: one that is killed, and one that starts from
// nothing and lives: the oracle.
type mortalFlow struct {
	t       *testing.T
	docs    shelf
	program string
	live    string // folders of the flow files
	rng     *rand.Rand
	edition int
}

// mortalBatch is how many texts are with the model at a time.
const mortalBatch = 3

func newMortalFlow(t *testing.T, url string, docs shelf) *mortalFlow {
	t.Helper()
	dir := t.TempDir()
	f := &mortalFlow{t: t, docs: docs, program: filepath.Join(dir, "mortal"), live: filepath.Join(dir, "live"),
		rng: rand.New(rand.NewPCG(7, 11))}
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
models: {embedder: {openai: {base_url: "` + url + `/v1", model: small, api_key: ` + modelKey + `}, dims: 64, batch: {rows: ` + fmt.Sprint(mortalBatch) + `}, limits: {concurrency: 1}}}
sources: {docs: ` + f.docs.source() + `}
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
	f.docs.put(document(doc), text)
}

func document(i int) string { return fmt.Sprintf("%02d.md", i) }

// change edits, adds, removes and renames.
func (f *mortalFlow) change() {
	f.t.Helper()
	for range 4 {
		f.write(f.rng.IntN(14))
	}
	f.docs.move(document(f.rng.IntN(14)), document(f.rng.IntN(14)))
	f.docs.remove(document(f.rng.IntN(14)))
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
	dieAtEveryStep(t, times, folderShelf{t, t.TempDir()})
}

// TestKilledAtEveryStepOverABucket does so over the objects of a bucket, which a start lists.
func TestKilledAtEveryStepOverABucket(t *testing.T) {
	times := 1
	if os.Getenv("FRESHET_SOAK") == "1" {
		times = 40
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "example")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "example")
	bucket := s3test.NewBucket("handbook")
	server := httptest.NewServer(&s3test.Server{Bucket: bucket})
	defer server.Close()
	dieAtEveryStep(t, times, bucketShelf{bucket, server.URL})
}

// dieAtEveryStep kills a flow over a shelf so many times at each step.
func dieAtEveryStep(t *testing.T, times int, docs shelf) {
	t.Helper()
	server := newPayingServer(t)
	f := newMortalFlow(t, server.URL, docs)
	kills := map[string]int{}
	for _, step := range []string{"memo.answer", "commit.memo", "commit.before", "commit.applied", "commit.after", "sink.send", "sink.acked"} {
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
	// A text is paid again only if the process dies while it is with the model, or before the reply is in the memo: the flow asks
	// for one batch at a time.
	if n := server.repaid(); n > total*mortalBatch {
		t.Errorf("%d texts were paid for again, and %d kills explain %d", n, total, total*mortalBatch)
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
