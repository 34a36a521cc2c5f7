package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/statestore"
)

// Who holds a state and does not answer is named, with what can be done about it; status and doctor say the same.
func TestWhoHoldsAStateAndDoesNotAnswerIsNamed(t *testing.T) {
	t.Parallel()
	flow, s, k := serveNothing(t, "held")
	state := filepath.Join(filepath.Dir(flow), ".freshet", "held")
	process := s.cmd.Process
	stop(t, process)
	refused := func(verbs []string, message, hint string) {
		t.Helper()
		for _, name := range verbs {
			code, envelope, said := verb(t, name, flow)
			told, _ := envelope["error"].(map[string]any)
			if code != exitEnvironment || told["code"] != "state_in_use" || told["message"] != message || !strings.Contains(fmt.Sprint(told["hint"]), hint) {
				t.Errorf("%s: exit %d, %s; want %q and the hint %q", name, code, said, message, hint)
			}
		}
	}
	refused([]string{"status"}, fmt.Sprintf("process %d runs the flow held and does not answer at %s within 2 s", process.Pid, k.Address), fmt.Sprintf("`kill %d`", process.Pid))
	if err := os.Remove(controlPath(state)); err != nil {
		t.Fatal(err)
	}
	refused([]string{"status", "doctor"}, fmt.Sprintf("process %d has the state %s open, and answers no questions", process.Pid, state), "run --once")
}

// serveNothing runs a flow of an empty folder as a service, and gives its file and what its control file says.
func serveNothing(t *testing.T, name string) (flow string, s *running, k control) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	flow = filepath.Join(dir, "flow.yaml")
	if err := os.WriteFile(flow, []byte("flow: "+name+"\nlimits: {memory: 64MiB, disk_free: 1MiB}\nsources: {docs: {files: {path: ./docs}}}\n"+
		"sinks: {log: {from: docs, jsonl: {path: log.jsonl}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = serve(t, flow)
	k, ok := readControl(filepath.Join(dir, ".freshet", name))
	if !ok {
		t.Fatal("the flow has no control file")
	}
	return flow, s, k
}

// A verb that looks into a stopped flow has its state for a moment: whoever starts the flow just then, or resets it, waits.
func TestAStateThatIsLookedIntoIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	flow, state := filepath.Join(dir, "flow.yaml"), filepath.Join(dir, ".freshet", "looked")
	for path, text := range map[string]string{flow: "flow: looked\nlimits: {memory: 64MiB, disk_free: 1MiB}\nsources: {docs: {files: {path: ., include: ['*.md']}}}\n" +
		"sinks: {log: {from: docs, jsonl: {path: log.jsonl}}}\n", filepath.Join(dir, "a.md"): "a\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, said := verb(t, "run", flow, "--once"); code != 0 {
		t.Fatal(said)
	}
	for _, args := range [][]string{{"run", flow, "--once"}, {"reset", flow, "--source", "docs", "--yes"}, {"drop", flow, "--yes"}} {
		db, err := statestore.Open(state, statestore.DBOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		const look = patience / 4
		looked := make(chan error)
		time.AfterFunc(look, func() { looked <- db.Close() })
		if code, _, said := verb(t, args...); code != 0 {
			t.Errorf("%v: exit %d: %s", args, code, said)
		}
		if err := <-looked; err != nil {
			t.Fatal(err)
		}
	}
}

// Ctrl-C ends such a wait at once, and is told as what it is.
func TestAWaitForAStateEndsWhenAPersonEndsIt(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	end()
	tries := 0
	f := flow{state: t.TempDir()}
	_, err := f.awaited(ctx, func() error {
		tries++
		return &statestore.InUseError{Path: f.state}
	})
	if told := faultOf(err); tries != 1 || told.Code != "interrupted" {
		t.Errorf("after %d tries it is told as %s: %v", tries, told.Code, err)
	}
}
