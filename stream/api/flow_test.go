package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/freshet/freshet/accel/builtin"
	"github.com/freshet/freshet/cdc/files"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "the-control-token-of-this-flow"

// running is a real flow, from a folder to an index, that is served.
type running struct {
	*engine.Engine
	docs   string // its folder
	server *httptest.Server
	client *http.Client
	api    *api.Server
}

// letterBox is what the program hands the server for dead letters.
type letterBox struct {
	engine *engine.Engine
	db     *statestore.DB
}

func (l letterBox) List() ([]engine.DeadLetter, error) { return engine.DeadLetters(l.db) }
func (l letterBox) Find(id string) (engine.DeadLetter, bool, error) {
	return engine.FindDeadLetter(l.db, id)
}
func (l letterBox) Retry(ctx context.Context, id string) ([]engine.DeadLetter, error) {
	return l.engine.RetryDeadLetters(ctx, id)
}
func (l letterBox) Discard(ctx context.Context, id string) ([]engine.DeadLetter, error) {
	return l.engine.DiscardDeadLetters(ctx, id)
}

// corpus is what the folder holds at first; large.txt is over max_size, and a dead letter.
var corpus = map[string]string{
	"billing.txt": "Invoices are sent on the first working day.",
	"backups.txt": "Backups run nightly at two.",
	"escape.txt":  "<script>alert(1)</script> scripts are harmless here",
	"large.txt":   strings.Repeat("too large ", 20),
}

// notes is a second folder, whose rows come to the index in parts, under other columns.
func notes(t *testing.T, f *stream.Flow, embed func(text string) stream.Operator) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "night.txt", "The nightly backups are kept for a week.")
	source, err := files.New(files.Options{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	split, err := operators.NewSplit(operators.SplitConfig{Text: "row.text", Size: 400})
	if err != nil {
		t.Fatal(err)
	}
	f.AddSource("notes", source)
	f.AddStep("parts", "notes", split, stream.StepOptions{})
	f.AddStep("part_vectors", "parts", embed("row.chunk"), stream.StepOptions{})
	f.AddSink("both", []string{"vectors", "part_vectors"}, vector.NewSink(vector.SinkOptions{}), stream.SinkOptions{})
}

func plan(t *testing.T, docs string, more func(*testing.T, *stream.Flow, func(string) stream.Operator)) *stream.Plan {
	t.Helper()
	model, err := builtin.New(64)
	if err != nil {
		t.Fatal(err)
	}
	source, err := files.New(files.Options{Path: docs, MaxSize: 100})
	if err != nil {
		t.Fatal(err)
	}
	embed := func(text string) stream.Operator {
		step, err := operators.NewEmbed(operators.EmbedConfig{Model: "builtin", Text: text}, operators.NewInline("builtin", model))
		if err != nil {
			t.Fatal(err)
		}
		return step
	}
	f := stream.New("handbook")
	f.Limits = stream.Limits{MemoryBytes: 64 << 20, DiskFree: 1 << 20}
	f.AddSource("docs", source)
	f.AddStep("vectors", "docs", embed("row.text"), stream.StepOptions{})
	f.AddSink("index", []string{"vectors"}, vector.NewSink(vector.SinkOptions{}), stream.SinkOptions{Columns: []string{"path", "text"}})
	if more != nil {
		more(t, f, embed)
	}
	p, err := f.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// start runs a flow and serves it, until the test ends.
func start(t *testing.T, o api.Options) *running { return startWith(t, o, nil) }

// startWith is start of a flow with something more in it.
func startWith(t *testing.T, o api.Options, more func(*testing.T, *stream.Flow, func(string) stream.Operator)) *running {
	t.Helper()
	docs := t.TempDir()
	for name, text := range corpus {
		write(t, docs, name, text)
	}
	p := plan(t, docs, more)
	db, err := statestore.Open(filepath.Join(t.TempDir(), "state"), statestore.DBOptions{MemoryBytes: engine.StoreBytes(p.Limits), DiskFreeBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	metrics, err := engine.NewMetrics("handbook", registry)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(t.Context(), p, db, engine.Options{Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Register(e.Collector()); err != nil {
		t.Fatal(err)
	}
	o.Flow, o.Token, o.Metrics, o.Explain = "handbook", token, registry, explain
	r := &running{Engine: e, docs: docs}
	r.api = api.New(api.Flow{Health: e, Tracer: e, Changes: e, Taps: e, Letters: letterBox{e, db}, Search: e, Waiter: e, Models: e, Intake: e, Plan: p}, o)
	r.server = httptest.NewServer(r.api)
	r.client = r.server.Client()
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := e.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(func() {
		r.server.CloseClientConnections()
		r.server.Close()
		stop()
		wait.Wait()
		if err := errors.Join(e.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	r.await(t)
	return r
}

func explain(err error) api.Fault {
	var unknown *engine.NotFoundError
	if errors.As(err, &unknown) {
		return api.Fault{Code: "not_found", Message: err.Error(), Hint: "look closer"}
	}
	var problem *stream.Problem
	if errors.As(err, &problem) {
		return api.Fault{Code: problem.Code, Message: problem.Message, Hint: problem.Hint}
	}
	return api.Fault{Code: "internal", Message: err.Error()}
}

// write puts a file in place as a whole, as editors do.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	beside := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(beside, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// await asks for readiness until the folder is applied. Each request gives the flow time to go on.
func (r *running) await(t *testing.T) {
	t.Helper()
	for range 10000 {
		if status, _ := r.do(t, request{path: "/readyz", token: token}); status == http.StatusOK {
			return
		}
	}
	t.Fatal("the flow does not become ready")
}

// request is one request; the zero method is GET, or POST with a body.
type request struct {
	method, path, body, token string
	header                    map[string]string
	host                      string
}

func (r *running) do(t *testing.T, q request) (int, string) {
	t.Helper()
	reply := r.send(t, q)
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(text)
}

func (r *running) send(t *testing.T, q request) *http.Response {
	t.Helper()
	if q.method == "" {
		q.method = http.MethodGet
		if q.body != "" {
			q.method = http.MethodPost
		}
	}
	sent, err := http.NewRequestWithContext(t.Context(), q.method, r.server.URL+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	sent.Host = q.host
	if q.token != "" {
		sent.Header.Set("Authorization", "Bearer "+q.token)
	}
	for name, value := range q.header {
		sent.Header.Set(name, value)
	}
	reply, err := r.client.Do(sent)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

// envelope decodes an answer of /api/v1.
func envelope[T any](t *testing.T, text string) (data T, fault *api.Fault) {
	t.Helper()
	var e struct {
		OK    bool       `json:"ok"`
		Data  T          `json:"data"`
		Error *api.Fault `json:"error"`
	}
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("read %q: %v", text, err)
	}
	if e.OK != (e.Error == nil) || strings.Count(text, "\n") != 1 {
		t.Fatalf("%q is no envelope", text)
	}
	return e.Data, e.Error
}

func must[T any](t *testing.T, r *running, q request) T {
	t.Helper()
	status, text := r.do(t, q)
	data, fault := envelope[T](t, text)
	if status != http.StatusOK || fault != nil {
		t.Fatalf("%s %s: status %d, %v", q.method, q.path, status, fault)
	}
	return data
}
