package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"freshet": main, "mortal": mortal})
}

// leakChecked looks for goroutines that are left behind, in the process of the tests; the program itself
// runs in processes of its own.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// TestScripts runs the verbs as users do, each script in a folder and in processes of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			server := newModelServer()
			e.Defer(server.Close)
			e.Setenv("MODEL_URL", server.URL+"/v1")
			e.Setenv("MODEL_KEY", modelKey)
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"json": jsonCommand, "await": awaitCommand, "absent": absentCommand, "secretless": secretlessCommand,
		},
	})
}

// json PATH VALUE compares a value of the last line of standard output: dots go into objects and lists.
// VALUE may be ~TEXT for a part of it, or the length of a list in brackets.
func jsonCommand(ts *testscript.TestScript, negated bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	var value any
	ts.Check(json.Unmarshal([]byte(lines[len(lines)-1]), &value))
	for part := range strings.SplitSeq(args[0], ".") {
		switch x := value.(type) {
		case map[string]any:
			value = x[part]
		case []any:
			i, err := strconv.Atoi(part)
			ts.Check(err)
			if i >= len(x) {
				ts.Fatalf("%s: the list has %d elements", args[0], len(x))
			}
			value = x[i]
		default:
			ts.Fatalf("%s: nothing lies below %v", args[0], value)
		}
	}
	got := fmt.Sprint(value)
	if list, ok := value.([]any); ok {
		got = fmt.Sprintf("[%d]", len(list))
	}
	fits := got == args[1]
	if part, ok := strings.CutPrefix(args[1], "~"); ok {
		fits = strings.Contains(got, part)
	}
	if fits == negated {
		ts.Fatalf("%s is %s, compared with %s", args[0], got, args[1])
	}
}

// await STATE [PATH TEXT] waits until the flow of a state is ready, or answers PATH with TEXT in it.
func awaitCommand(ts *testscript.TestScript, _ bool, args []string) {
	state, path, text := ts.MkAbs(args[0]), "/readyz", `"ready":true`
	if len(args) == 3 {
		path, text = args[1], args[2]
	}
	if said, ok := comesToSay(state, path, text); !ok {
		ts.Fatalf("%s does not come to say %s: %s", path, text, said)
	}
}

// comesToSay waits until the flow of a state answers a path with a text in it.
func comesToSay(state, path, text string) (said string, ok bool) {
	timer := time.NewTicker(10 * time.Millisecond)
	defer timer.Stop()
	said = "nobody answers"
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-timer.C {
		p, ok := findPeer(context.Background(), state)
		if !ok {
			continue
		}
		reply, err := p.send(context.Background(), http.MethodGet, path, nil)
		if err != nil {
			continue
		}
		body, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if said = string(body); err == nil && strings.Contains(said, text) {
			return said, true
		}
	}
	return said, false
}

// absent PATH… makes sure that nothing is there.
func absentCommand(ts *testscript.TestScript, _ bool, args []string) {
	for _, path := range args {
		if _, err := os.Lstat(ts.MkAbs(path)); !os.IsNotExist(err) {
			ts.Fatalf("%s is there", path)
		}
	}
}

// secretless DIR makes sure that no file below a folder holds the model's key.
func secretlessCommand(ts *testscript.TestScript, _ bool, args []string) {
	files := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if strings.Contains(string(text), modelKey) {
			return fmt.Errorf("%s holds the key", path)
		}
		return nil
	}))
	if files == 0 {
		ts.Fatalf("no file below %s", args[0])
	}
}
