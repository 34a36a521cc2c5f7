package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who holds a state and does not answer is named, with what can be done about it; status and doctor say the same.
func TestWhoHoldsAStateAndDoesNotAnswerIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	flow, state := filepath.Join(dir, "flow.yaml"), filepath.Join(dir, ".freshet", "held")
	if err := os.WriteFile(flow, []byte("flow: held\nlimits: {memory: 64MiB, disk_free: 1MiB}\nsources: {docs: {files: {path: ./docs}}}\n"+
		"sinks: {log: {from: docs, jsonl: {path: log.jsonl}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, flow)
	k, ok := readControl(state)
	if !ok {
		t.Fatal("the flow has no control file")
	}
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
	refused([]string{"status"}, fmt.Sprintf("process %d runs the flow held and does not answer at %s within 2s", process.Pid, k.Address), fmt.Sprintf("`kill %d`", process.Pid))
	if err := os.Remove(controlPath(state)); err != nil {
		t.Fatal(err)
	}
	refused([]string{"status", "doctor"}, fmt.Sprintf("process %d has the state %s open, and answers no questions", process.Pid, state), "run --once")
}
