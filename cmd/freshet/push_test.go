package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// running is a flow that runs in a process of its own.
type running struct {
	t   *testing.T
	cmd *exec.Cmd
	out io.ReadCloser
}

func serve(t *testing.T, flow string) *running {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "freshet")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	s := &running{t: t, cmd: exec.Command(program, "run", flow, "--addr", "127.0.0.1:0", "--json")}
	s.cmd.Stderr = os.Stderr
	if s.out, err = s.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	if lines := bufio.NewScanner(s.out); !lines.Scan() || !strings.Contains(lines.Text(), `"event":"listening"`) {
		t.Fatalf("the first line is %q", lines.Text())
	}
	return s
}

// kill ends the process as a power cut would.
func (s *running) kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	_, _ = s.cmd.Process.Wait()
}

// stop ends the process as a person would.
func (s *running) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, s.out); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatal(err)
	}
}

// freePort is an address that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// copied is an example in a folder of its own, with one text replaced by another in its flow.
func copied(t *testing.T, name, old, new string) (dir, flow string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", name))); err != nil {
		t.Fatal(err)
	}
	flow = filepath.Join(dir, "flow.yaml")
	text, err := os.ReadFile(flow)
	if err != nil {
		t.Fatal(err)
	}
	if old != "" && !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s does not hold %q", flow, old)
	}
	if err := os.WriteFile(flow, bytes.ReplaceAll(text, []byte(old), []byte(new)), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, flow
}

// pushFile pushes a file of the example until it is acknowledged, as a client does.
func pushFile(t *testing.T, address, path string) (position string) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-ndjson")
		answer, err := http.DefaultClient.Do(r)
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
		if err != nil {
			continue // it does not listen yet
		}
		var reply struct {
			Data struct {
				Position string `json:"position"`
			} `json:"data"`
		}
		err = json.NewDecoder(answer.Body).Decode(&reply)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusAccepted {
			t.Fatalf("%s is answered %s: %v", path, answer.Status, err)
		}
		return reply.Data.Position
	}
}

// I1: the example of pushed changes does what it says, and what was answered 202 outlives a power cut.
func TestExampleOfPushes(t *testing.T) {
	address := freePort(t)
	dir, flow := copied(t, "http", "127.0.0.1:8000", address)
	log := filepath.Join(dir, "offers.jsonl")
	wait := func(position string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := execute([]string{"status", flow, "--wait", "prices=" + position, "--timeout", "30s"}, &out, &errs); code != exitOK {
			t.Fatalf("wait for %s: exit %d: %s %s", position, code, out.String(), errs.String())
		}
	}
	s := serve(t, flow)
	if got := pushFile(t, address, filepath.Join(dir, "prices.jsonl")); got != "1" {
		t.Errorf("the first push stands at %s", got)
	}
	s.kill() // nobody has waited for the sink
	s = serve(t, flow)
	wait("1")
	want := map[string]string{
		"north/kettle": `{"_key":"north/kettle","shop":"north","article":"kettle","price":"24.90","was":"39.90"}`,
		"south/kettle": `{"_key":"south/kettle","shop":"south","article":"kettle","price":"29.90","was":"34.90"}`,
	}
	if diff := cmp.Diff(want, lastLines(t, log)); diff != "" {
		t.Errorf("after the first push the log differs (-want +got):\n%s", diff)
	}
	if got := pushFile(t, address, filepath.Join(dir, "later.jsonl")); got != "2" {
		t.Errorf("the second push stands at %s", got)
	}
	wait("2")
	s.stop()
	want = map[string]string{"south/mug": `{"_key":"south/mug","shop":"south","article":"mug","price":"4.50","was":"6.50"}`}
	if diff := cmp.Diff(want, lastLines(t, log)); diff != "" {
		t.Errorf("after the second push the log differs (-want +got):\n%s", diff)
	}
}

// I1: four clients push while the flow is killed again and again. What each was answered 202 is there in the end, each
// push once, in the client's order.
func TestWhatWasAcknowledgedOutlivesKills(t *testing.T) {
	const clients, pushes, kills = 4, 60, 5
	address, dir := freePort(t), t.TempDir()
	flow := filepath.Join(dir, "flow.yaml")
	text := "flow: pushed\nsources: {rows: {http: {listen: \"" + address + "\", schema: {client: int, n: int}, key: [client, n]}}}\nsinks: {log: {from: rows, jsonl: {path: ./log.jsonl}}}\n"
	if err := os.WriteFile(flow, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, flow)
	acknowledged := make(chan struct{}, clients*pushes)
	var work sync.WaitGroup
	for client := range clients {
		work.Go(func() {
			for n := 1; n <= pushes; {
				body := fmt.Sprintf(`{"client": %d, "n": %d}`, client, n)
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Freshet-Producer", fmt.Sprint("client ", client))
				r.Header.Set("Freshet-Sequence", fmt.Sprint(n))
				answer, err := http.DefaultClient.Do(r)
				if t.Context().Err() != nil {
					return
				}
				if err != nil {
					continue // killed, or not up yet
				}
				_ = answer.Body.Close()
				if answer.StatusCode == http.StatusAccepted {
					acknowledged <- struct{}{}
					n++
				}
			}
		})
	}
	for range kills {
		for range clients * pushes / (kills + 1) {
			<-acknowledged
		}
		s.kill()
		s = serve(t, flow)
	}
	work.Wait()
	var out, errs bytes.Buffer
	if code := execute([]string{"status", flow, "--wait", fmt.Sprint("rows=", clients*pushes), "--timeout", "30s"}, &out, &errs); code != exitOK {
		t.Fatalf("exit %d: %s %s", code, out.String(), errs.String())
	}
	if _, said, _ := strings.Cut(doctor(t, flow), "position "); !strings.HasPrefix(said, fmt.Sprintln(clients*pushes)) {
		t.Errorf("each push was to be taken once, and the source stands at %s", said) // by their sequences
	}
	s.stop()
	if got := len(lastLines(t, filepath.Join(dir, "log.jsonl"))); got != clients*pushes {
		t.Errorf("%d rows of %d are there", got, clients*pushes)
	}
}

func doctor(t *testing.T, flow string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := execute([]string{"doctor", flow}, &out, &errs); code != exitOK {
		t.Fatalf("doctor: exit %d: %s %s", code, out.String(), errs.String())
	}
	return out.String()
}
