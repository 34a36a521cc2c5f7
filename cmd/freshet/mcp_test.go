package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestAgentsSearchAndTraceAFlow speaks the protocol with a client of the official library, first to a stopped demo, then to
// one that runs.
func TestAgentsSearchAndTraceAFlow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	if err := layDemo(dir); err != nil {
		t.Fatal(err)
	}
	flow := filepath.Join(dir, demoFlow)
	if code := execute([]string{"run", flow, "--once"}, io.Discard, os.Stderr); code != exitOK {
		t.Fatalf("run ends with %d", code)
	}
	client := agentOf(t, flow)

	var names []string
	for tool, err := range client.Tools(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, tool.Name)
		if !tool.Annotations.ReadOnlyHint {
			t.Errorf("the tool %s does not say that it changes nothing", tool.Name)
		}
	}
	if diff := cmp.Diff([]string{"lineage", "search", "status"}, names); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}

	found := client.call(t, "search", map[string]any{"query": demoQuery, "k": 3})
	hit := found["hits"].([]any)[0].(map[string]any)["row"].(map[string]any)
	if len(found["hits"].([]any)) != 3 || hit["path"] != "billing.md" {
		t.Errorf("search finds %v", found)
	}
	way := client.call(t, "lineage", map[string]any{"subject": "index/" + hit["_key"].(string)})
	if up := way["upstream"].([]any); len(up) == 0 || up[len(up)-1].(map[string]any)["key"] != "billing.md" && up[0].(map[string]any)["key"] != "billing.md" {
		t.Errorf("the row found does not lead back to its document: %v", way)
	}
	if state := client.call(t, "status", nil)["state"]; state != "stopped" {
		t.Errorf("the flow is %v, want stopped", state)
	}

	runAt(t, dir)
	if state := client.call(t, "status", nil)["state"]; state != "running" {
		t.Errorf("the flow is %v, want running", state)
	}
	if again := client.call(t, "search", map[string]any{"query": demoQuery, "k": 3}); !cmp.Equal(found, again) {
		t.Errorf("the running flow finds other rows than the stopped one:\n%s", cmp.Diff(found, again))
	}
	client.refusals(t)
}

// runningDemo is the folder of a demo that runs until the test is over.
func runningDemo(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	if err := layDemo(dir); err != nil {
		t.Fatal(err)
	}
	runAt(t, dir)
	return dir
}

// runAt runs the demo of a folder, as a service of this process, until the test is over; it returns when it is ready.
func runAt(t *testing.T, dir string) {
	t.Helper()
	t.Setenv("GOMEMLIMIT", "off") // the process of the tests keeps its bounds
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(running.Wait)
	t.Cleanup(stop)
	running.Go(func() {
		c := newCLI([]string{"--json"}, io.Discard, io.Discard)
		c.level, c.form = "error", "text"
		if _, err := c.serve(ctx, &service{path: filepath.Join(dir, demoFlow), serving: serving{addr: "127.0.0.1:0"}}); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	if said, ok := comesToSay(filepath.Join(dir, ".freshet", "handbook"), "/readyz", `"ready":true`); !ok {
		t.Fatalf("the flow does not get ready: %s", said)
	}
}

// refusals are calls that a model has to be told about: as an answer that it reads, with what it can do.
func (c agentClient) refusals(t *testing.T) {
	cases := []struct {
		name, tool string
		arguments  map[string]any
		code, hint string // empty: the arguments do not fit the schema
	}{
		{"a condition names no column", "search", map[string]any{"query": "x", "where": "row.pth == ''"}, "unknown_column", `did you mean "path"?`},
		{"nothing is known under a key", "lineage", map[string]any{"subject": "docs/none.md"}, "not_found", "<source>/<key>"},
		{"the sink is no index", "search", map[string]any{"query": "x", "sink": "none"}, "no_index", "the sinks that can be searched are index"},
		{"too many rows", "search", map[string]any{"query": "x", "k": 101}, "", ""},
		{"an argument that there is not", "search", map[string]any{"query": "x", "limit": 3}, "", ""},
		{"no question", "search", map[string]any{}, "", ""},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: k.tool, Arguments: k.arguments})
			if err != nil {
				t.Fatal(err)
			}
			text := r.Content[0].(*mcp.TextContent).Text
			f, _ := r.StructuredContent.(map[string]any)
			if !r.IsError || k.code != "" && (f["code"] != k.code || !strings.Contains(text, k.hint)) || k.code == "" && !strings.Contains(text, "arguments") {
				t.Errorf("answer is %q with %v, want code %q and hint %q", text, r.StructuredContent, k.code, k.hint)
			}
		})
	}
	if _, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "drop"}); err == nil {
		t.Error("there is a tool that drops the flow")
	}
}

// TestTheProtocolIsAllThatIsSaid speaks as a client of the earliest version does, in lines of its own writing.
func TestTheProtocolIsAllThatIsSaid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	if err := layDemo(dir); err != nil {
		t.Fatal(err)
	}
	flow := filepath.Join(dir, demoFlow)
	said, serve := lines(t, flow)
	wants := []struct{ name, say, want string }{
		{"the version of the client is taken", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`,
			`"protocolVersion":"2024-11-05"`},
		{"a ping is answered", `{"jsonrpc":"2.0","id":"two","method":"ping"}`, `"id":"two","result":{}`},
		{"a method that there is not", `{"jsonrpc":"2.0","id":3,"method":"nonsense"}`, `"code":-32601`},
		{"a tool that there is not", `{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"drop"}}`, `"code":-32602`},
		{"a flow that never ran has nothing to find", `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"search","arguments":{"query":"x"}}}`, `"structuredContent":{"hits":[]}`},
	}
	for i, w := range wants {
		if i == 1 {
			serve(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		}
		serve(w.say)
		line := said()
		if !json.Valid([]byte(line)) || !strings.Contains(line, w.want) {
			t.Errorf("%s: %s, want %s", w.name, line, w.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ".freshet")); !os.IsNotExist(err) {
		t.Error("asking a flow that never ran has made a state")
	}
}

func TestAVerbThatSpeaksAProtocolRefusesWhatWouldMixWithIt(t *testing.T) {
	for _, arguments := range [][]string{{"mcp", "none.yaml"}, {"mcp", "none.yaml", "--json"}} {
		var out bytes.Buffer
		if code := execute(arguments, &out, io.Discard); code != exitUsage {
			t.Errorf("%v ends with %d, want %d", arguments, code, exitUsage)
		}
		if slices.Contains(arguments, "--json") != (out.Len() > 0) {
			t.Errorf("%v says %q", arguments, out.String())
		}
	}
}

// agentClient is a session of a client.
type agentClient struct{ *mcp.ClientSession }

// agentOf begins a session with the verb over a flow.
func agentOf(t *testing.T, flow string) agentClient {
	t.Helper()
	here, there := mcp.NewInMemoryTransports()
	var serving sync.WaitGroup
	serving.Go(func() {
		c := newCLI(nil, io.Discard, io.Discard)
		c.level, c.form = "error", "text"
		if err := c.serveAgents(context.WithoutCancel(t.Context()), flow, there); err != nil {
			t.Errorf("the session ends with %v", err)
		}
	})
	s, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		serving.Wait()
	})
	return agentClient{s}
}

// call asks for structured content, which the text has to be as well.
func (c agentClient) call(t *testing.T, tool string, arguments map[string]any) map[string]any {
	t.Helper()
	if arguments == nil {
		arguments = map[string]any{}
	}
	r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatal(err)
	}
	text := r.Content[0].(*mcp.TextContent).Text
	if r.IsError {
		t.Fatalf("%s: %s", tool, text)
	}
	var read map[string]any
	if err := json.Unmarshal([]byte(text), &read); err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	content := r.StructuredContent.(map[string]any)
	if diff := cmp.Diff(content, read); diff != "" {
		t.Errorf("%s: the text is not what the structure says (-structure +text):\n%s", tool, diff)
	}
	return content
}

// lines begins a session in which the test writes and reads lines.
func lines(t *testing.T, flow string) (said func() string, say func(string)) {
	t.Helper()
	toServer, fromTest := io.Pipe()
	toTest, fromServer := io.Pipe()
	var serving sync.WaitGroup
	serving.Go(func() {
		c := newCLI(nil, io.Discard, io.Discard)
		c.level, c.form = "error", "text"
		err := c.serveAgents(context.WithoutCancel(t.Context()), flow, &mcp.IOTransport{Reader: toServer, Writer: fromServer})
		if err != nil {
			t.Errorf("the session ends with %v", err)
		}
	})
	t.Cleanup(func() {
		fromTest.Close()
		serving.Wait()
	})
	d := json.NewDecoder(toTest)
	return func() string {
			var line json.RawMessage
			if err := d.Decode(&line); err != nil {
				t.Fatal(err)
			}
			return string(line)
		}, func(line string) {
			if _, err := io.WriteString(fromTest, line+"\n"); err != nil {
				t.Fatal(err)
			}
		}
}
