package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// heldServer is a model server whose answers wait until they are let go.
type heldServer struct {
	*httptest.Server
	asked chan struct{} // one place: that a call is in flight
	let   func()        // lets the answers go; may be called again
}

func newHeldServer(t *testing.T) *heldServer {
	t.Helper()
	model := newModelServer()
	t.Cleanup(model.Close)
	held := make(chan struct{})
	h := &heldServer{asked: make(chan struct{}, 1), let: sync.OnceFunc(func() { close(held) })}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case h.asked <- struct{}{}:
		default:
		}
		// The body is read first: only then does the server notice a client that is gone.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		select {
		case <-held:
		case <-r.Context().Done():
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		model.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	t.Cleanup(h.let)
	return h
}

// startProcess runs a flow with one file in a process of its own, until a call of its model is in flight.
func startProcess(t *testing.T, h *heldServer) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	flow := `flow: held
limits: {memory: 64MiB, disk_free: 1MiB}
models: {embedder: {openai: {base_url: "` + h.URL + `", model: small, api_key: ` + modelKey + `}, dims: 64}}
sources: {docs: {files: {path: ./docs}}}
steps: {vectors: {from: docs, embed: {model: embedder, text: row.text}}}
sinks: {index: {from: vectors, vector: {}, columns: [path]}}
`
	for name, text := range map[string]string{"flow.yaml": flow, "docs/a.md": "Invoices are sent monthly."} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "freshet")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "run", filepath.Join(dir, "flow.yaml"), "--addr", "127.0.0.1:0", "--json")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"event":"listening"`) {
		t.Fatalf("the first line is %q", lines.Text())
	}
	<-h.asked
	return cmd, lines
}

func terminate(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// I7: what is paid is kept.
func TestFirstSignalAwaitsCallsInFlightAndKeepsThem(t *testing.T) {
	h := newHeldServer(t)
	cmd, lines := startProcess(t, h)
	terminate(t, cmd)
	h.let()
	if !lines.Scan() {
		t.Fatal("there is no last line")
	}
	var last struct{ OK bool }
	if err := json.Unmarshal(lines.Bytes(), &last); err != nil || !last.OK {
		t.Errorf("the last line is %s, %v", lines.Text(), err)
	}
	if lines.Scan() {
		t.Errorf("there is a line behind the envelope: %s", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the flow ends with %v, want exit 0", err)
	}
	again := exec.Command(cmd.Args[0], "run", cmd.Args[2], "--once", "--json")
	if out, err := again.CombinedOutput(); err != nil || !strings.Contains(string(out), `"dead_letters":0`) {
		t.Errorf("the next run ends with %v: %s", err, out)
	}
	select {
	case <-h.asked:
		t.Error("the next run asks again for what was answered")
	default:
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	h := newHeldServer(t)
	cmd, lines := startProcess(t, h)
	terminate(t, cmd)
	began := time.Now()
	// The first signal is being handled as soon as it was taken; until then the second is one with it. So
	// more are sent until the process has ended.
	var sending sync.WaitGroup
	ended := make(chan struct{})
	sending.Go(func() {
		timer := time.NewTicker(50 * time.Millisecond)
		defer timer.Stop()
		for {
			select {
			case <-ended:
				return
			case <-timer.C:
				_ = cmd.Process.Signal(syscall.SIGTERM) // it may be gone already
			}
		}
	})
	for lines.Scan() {
	}
	err := cmd.Wait()
	close(ended)
	sending.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("the flow ends with %v, want the signal", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v, as if it had drained", took)
	}
}
