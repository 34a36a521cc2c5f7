package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/freshet/freshet/sinks/qdrant/qdranttest"
)

// newWaiting makes a flow that asks a model for the length of its vectors, and keeps them in Qdrant.
func newWaiting(t *testing.T, model, qdrant string) (flow, state string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"docs/a.md": "Invoices are sent monthly.", "flow.yaml": `flow: waits
limits: {memory: 64MiB, disk_free: 1MiB}
models: {embedder: {openai: {base_url: "http://` + model + `", model: small, api_key: ` + modelKey + `}}}
sources: {docs: {files: {path: ./docs}}}
steps: {vectors: {from: docs, embed: {model: embedder, text: row.text}}}
sinks: {index: {from: vectors, qdrant: {url: "http://` + qdrant + `", collection: pages}, columns: [path]}}
`} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "flow.yaml"), filepath.Join(dir, ".freshet", "waits")
}

// listenAt takes an address that was free a moment ago.
func listenAt(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A service waits for the servers that it needs to begin, one after the other, and says so; then it begins by itself.
func TestServiceWaitsForServersThatAreDownAtItsStart(t *testing.T) {
	model, vectors := freePort(t), freePort(t)
	flow, state := newWaiting(t, model, vectors)
	var out, errs bytes.Buffer
	if code := execute([]string{"run", flow, "--once"}, &out, &errs); code != exitEnvironment || !strings.Contains(errs.String(), model) {
		t.Errorf("run --once: exit %d, %s", code, errs.String())
	}
	running := serve(t, flow)
	say := func(path, text string) {
		t.Helper()
		if said, ok := comesToSay(state, path, text); !ok {
			t.Fatalf("%s does not come to say %s: %s", path, text, said)
		}
	}
	say("/readyz", `{"ready":false,"reasons":[{"code":"model_unavailable","message":"the flow waits to begin: `)
	say("/livez", "ok")
	say("/metrics", `freshet_unready_reasons{code="model_unavailable",flow="waits"} 1`)
	say("/api/v1/status", `"error":{"code":"server_unreachable"`)
	first, ok := readControl(state)
	if !ok {
		t.Fatal("the flow that waits has no control file")
	}
	if page := pageOf(t, first.Address); !strings.Contains(page, "<h1>The flow waits to begin</h1>") || !strings.Contains(page, model) {
		t.Errorf("a person who opens its address sees %s", page)
	}

	embedder := newModelServer()
	defer embedder.Close()
	server := httptest.NewUnstartedServer(embedder.Config.Handler)
	_ = server.Listener.Close() // it gets the one that the flow names
	server.Listener = listenAt(t, model)
	server.Start()
	defer server.Close()
	say("/readyz", `"code":"sink_unavailable"`)

	l := listenAt(t, vectors)
	_, qdrant := qdranttest.New(l, qdranttest.Options{})
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := qdrant.Serve(l); err != nil {
			t.Errorf("serve qdrant: %v", err)
		}
	})
	defer serving.Wait()
	defer qdrant.Stop()
	say("/readyz", `"ready":true`)
	say("/api/v1/status", `"rows":1`)
	if now, ok := readControl(state); !ok || now.Address != first.Address {
		t.Errorf("the flow answers at %s, and did at %s while it waited", now.Address, first.Address)
	}
	running.stop()
	if left, ok := readControl(state); ok {
		t.Errorf("a control file is left: %v", left.Address)
	}
}

// A service that waits ends when it is told to, with exit 0.
func TestServiceThatWaitsEndsWhenItIsTold(t *testing.T) {
	flow, state := newWaiting(t, freePort(t), freePort(t))
	running := serve(t, flow)
	if said, ok := comesToSay(state, "/readyz", `"model_unavailable"`); !ok {
		t.Fatal(said)
	}
	running.stop()
}

// pageOf is what a browser is given.
func pageOf(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html,application/xhtml+xml")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
