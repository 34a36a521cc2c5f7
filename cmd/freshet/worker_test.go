package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/internal/testenv"
)

// withPython makes python3 one that has what workers need, and gives the binary a cache of the test's own.
func withPython(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	// A link would not tell Python of its environment; a program that starts it does.
	if err := os.WriteFile(filepath.Join(dir, "python3"), []byte("#!/bin/sh\nexec "+testenv.Python(t)+" -B \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
}

// lastLines folds a change log: the last line of each key, without version and source.
func lastLines(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(text)) {
		var row struct {
			Op  string `json:"_op"`
			Key string `json:"_key"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		line, _, _ = strings.Cut(strings.Replace(line, `"_op":"upsert",`, "", 1), `,"_version"`)
		rows[row.Key] = line + "}"
		if row.Op == "delete" {
			delete(rows, row.Key)
		}
	}
	return rows
}

// said runs a verb and returns its exit code and its envelope.
func said(t *testing.T, args ...string) (code int, data map[string]any, fault string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(append(args, "--json"), &out, &errs)
	var envelope struct {
		Data  map[string]any
		Error struct{ Code, Message, Hint string }
	}
	if err := json.Unmarshal(out.Bytes(), &envelope); err != nil {
		t.Fatalf("%v: %s %s", err, out.String(), errs.String())
	}
	return code, envelope.Data, strings.Join([]string{envelope.Error.Code, envelope.Error.Message, envelope.Error.Hint}, "\n")
}

func callsOf(t *testing.T, flow, step string) float64 {
	t.Helper()
	code, data, fault := said(t, "status", flow)
	if code != exitOK {
		t.Fatal(fault)
	}
	calls, ok := data["steps"].(map[string]any)[step].(map[string]any)["calls_total"].(float64)
	if !ok {
		t.Fatalf("the status has no calls of %s: %v", step, data)
	}
	return calls
}

const modelWorker = `
from freshet_worker import Embedding, serve
def embed(texts):
    return [[float(len(t)), 1.0] for t in texts]
def size(text, unit="chars"):
    return len(text)
serve(Embedding(embed, dims=2), size)
`

func TestAFlowWithAWorkerIsCheckedAgainstWhatItServes(t *testing.T) {
	withPython(t)
	for _, x := range []struct {
		name, step, code string
		says             []string
	}{
		{"a function that is not there", "function: sise, input: {text: row.text}, output: {n: int}", "unknown_name", []string{`no function "sise"`, `did you mean "size"?`, ":5:"}},
		{"a parameter that is not there", "function: size, input: {text: row.text, untt: row.path}, output: {n: int}", "unknown_name", []string{`no parameter "untt"`, "unit"}},
		{"a parameter that is missing", "function: size, input: {unit: row.path}, output: {n: int}", "missing_key", []string{`wants a parameter "text"`}},
		{"an output that the key has", "function: size, input: {text: row.text}, output: {path: int}", "bad_value", []string{"part of the key"}},
		{"a column that is not there", "function: size, input: {text: row.txt}, output: {n: int}", "unknown_column", []string{"txt", "text"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			flow := workerFlow(t, dir, "flow: w\nsources:\n  docs: {files: {path: ./docs}}\nsteps:\n  n: {from: docs, call: {worker: [python3, ./worker.py], "+x.step+"}}\n"+
				"sinks:\n  log: {from: n, jsonl: {path: ./out.jsonl}}\n")
			code, _, fault := said(t, "validate", flow)
			if code != exitUsage || !strings.HasPrefix(fault, x.code) {
				t.Errorf("exit %d: %s", code, fault)
			}
			for _, part := range x.says {
				if !strings.Contains(fault, part) {
					t.Errorf("%q is not said: %s", part, fault)
				}
			}
		})
	}
	flow := workerFlow(t, t.TempDir(), "flow: w\nsources:\n  docs: {files: {path: ./docs}}\nsteps:\n  n: {from: docs, call: {worker: [./no-such], function: f, input: {text: row.text}, output: {n: int}}}\n"+
		"sinks:\n  log: {from: n, jsonl: {path: ./out.jsonl}}\n")
	if code, _, fault := said(t, "validate", flow); code != exitEnvironment || !strings.Contains(fault, "no-such") {
		t.Errorf("a worker that cannot be started: exit %d: %s", code, fault)
	}
}

// workerFlow writes a flow, the worker and three documents.
func workerFlow(t *testing.T, dir, text string) string {
	t.Helper()
	files := map[string]string{"flow.yaml": text, "worker.py": modelWorker, "docs/a.txt": "a", "docs/b.txt": "bb", "docs/c.txt": "ccc"}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "flow.yaml")
}

// servingWorker starts the worker of a folder as a server at a socket, and returns its address.
func servingWorker(t *testing.T, dir string) string {
	t.Helper()
	address := "unix:" + filepath.Join(dir, "w.sock")
	worker := exec.CommandContext(t.Context(), testenv.Python(t), "-B", "worker.py", "--listen", address)
	module, err := filepath.Abs(filepath.Join("..", "..", "accel", "worker"))
	if err != nil {
		t.Fatal(err)
	}
	worker.Dir, worker.Env = dir, append(os.Environ(), "PYTHONPATH="+module)
	out, err := worker.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = worker.Process.Kill()
		_ = worker.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "serving") {
			return address
		}
	}
	t.Fatal("the worker does not serve")
	return ""
}

// One worker serves a function and a model to a flow over Arrow Flight.
func TestAFlowReachesItsWorkerOverFlight(t *testing.T) {
	dir := t.TempDir()
	workerFlow(t, dir, "")
	address := servingWorker(t, dir)
	flow := workerFlow(t, dir, "flow: w\nmodels:\n  m: {flight: {url: \""+address+"\"}}\nsources:\n  docs: {files: {path: ./docs}}\nsteps:\n"+
		"  n: {from: docs, call: {worker: {flight: \""+address+"\"}, function: size, input: {text: row.text}, output: {n: int}}}\n"+
		"  again: {from: n, call: {worker: \""+address+"\", function: size, input: {text: row.path}, output: {name: int}}}\n"+
		"  v: {from: again, embed: {model: m, text: row.text}}\nsinks:\n  log: {from: v, jsonl: {path: ./out.jsonl}, columns: [n, name, vector]}\n")
	if code, _, fault := said(t, "run", flow, "--once"); code != exitOK {
		t.Fatalf("exit %d: %s", code, fault)
	}
	want := map[string]string{"a.txt": `{"_key":"a.txt","n":1,"name":5,"vector":[1,1]}`, "b.txt": `{"_key":"b.txt","n":2,"name":5,"vector":[2,1]}`,
		"c.txt": `{"_key":"c.txt","n":3,"name":5,"vector":[3,1]}`}
	if diff := cmp.Diff(want, lastLines(t, filepath.Join(dir, "out.jsonl"))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(flow)
	if err != nil {
		t.Fatal(err)
	}
	other := workerFlow(t, dir, strings.Replace(string(text), address+"\"}}", address+"\"}, dims: 3}", 1))
	if code, _, fault := said(t, "validate", other); code != exitEnvironment || !strings.Contains(fault, "dims_mismatch") || !strings.Contains(fault, "write dims: 2") {
		t.Errorf("with another dimension: exit %d: %s", code, fault)
	}
}

func TestVectorsComeFromAWorker(t *testing.T) {
	withPython(t)
	dir := t.TempDir()
	flow := workerFlow(t, dir, "flow: w\nmodels:\n  m: {worker: {command: [python3, ./worker.py]}}\nsources:\n  docs: {files: {path: ./docs}}\nsteps:\n"+
		"  v: {from: docs, embed: {model: m, text: row.text}}\nsinks:\n  log: {from: v, jsonl: {path: ./out.jsonl}, columns: [vector]}\n")
	if code, _, fault := said(t, "run", flow, "--once"); code != exitOK {
		t.Fatalf("exit %d: %s", code, fault)
	}
	want := map[string]string{"a.txt": `{"_key":"a.txt","vector":[1,1]}`, "b.txt": `{"_key":"b.txt","vector":[2,1]}`, "c.txt": `{"_key":"c.txt","vector":[3,1]}`}
	if diff := cmp.Diff(want, lastLines(t, filepath.Join(dir, "out.jsonl"))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if n := callsOf(t, flow, "v"); n != 3 {
		t.Errorf("%v calls, want 3", n)
	}
}
