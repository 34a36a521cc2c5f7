// Command tickets reads fields out of support tickets with a chat model and keeps them in a change log. It needs no
// network and no model: it serves one itself, which plays a model that errs in one ticket of twenty.
//
//	go run ./examples/tickets
//
// What it runs is the binary freshet over flow.yaml, in a folder of its own that it names. With MODEL_URL set to the
// address of another server of OpenAI's protocol, such as http://127.0.0.1:8000/v1, `freshet run flow.yaml` works there
// as well.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed flow.yaml tickets
var files embed.FS

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	p := program{freshet: []string{"go", "run", "./cmd/freshet"}, dir: filepath.Join(os.TempDir(), "freshet-tickets"), out: os.Stdout}
	err := os.RemoveAll(p.dir)
	if err == nil {
		fmt.Println("in the folder", p.dir)
		err = p.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

// program runs the flow.
type program struct {
	freshet []string // the command
	dir     string   // the folder for everything
	out     io.Writer
	server  *httptest.Server
}

func (p program) run(ctx context.Context) error {
	if err := os.CopyFS(p.dir, files); err != nil {
		return fmt.Errorf("lay out the tickets: %w", err)
	}
	model := &reader{}
	p.server = httptest.NewServer(model)
	defer p.server.Close()
	for _, act := range []struct {
		what string
		do   func() error
	}{
		{"twenty tickets", func() error { return p.catchUp(ctx, model) }},
		{"nothing has changed", func() error { return p.catchUp(ctx, model) }},
		{"the model is mended, and asked again for what it could not answer", func() error {
			model.mu.Lock()
			model.careful = true
			model.mu.Unlock()
			if err := p.freshetJSON(ctx, nil, "dlq", "retry", "flow.yaml", "--all"); err != nil {
				return err
			}
			return p.catchUp(ctx, model)
		}},
	} {
		fmt.Fprintln(p.out, "#", act.what)
		if err := act.do(); err != nil {
			return err
		}
	}
	return nil
}

// catchUp runs the flow once and tells what it came to.
func (p program) catchUp(ctx context.Context, model *reader) error {
	model.mu.Lock()
	before := model.asked
	model.mu.Unlock()
	var letters struct {
		Items []struct{ Key, Code, Message string }
	}
	if err := p.freshetJSON(ctx, nil, "run", "flow.yaml", "--once"); err != nil {
		return err
	}
	if err := p.freshetJSON(ctx, &letters, "dlq", "ls", "flow.yaml"); err != nil {
		return err
	}
	facts, err := p.facts()
	if err != nil {
		return err
	}
	model.mu.Lock()
	sent := model.asked - before
	model.mu.Unlock()
	fmt.Fprintf(p.out, "%d tickets read, %d prompts sent, %d dead letters\n", len(facts), sent, len(letters.Items))
	if sent == 0 {
		return nil
	}
	for _, line := range facts {
		fmt.Fprintln(p.out, " ", line)
	}
	for _, l := range letters.Items {
		fmt.Fprintf(p.out, "  %s: %s: %s\n", l.Key, l.Code, l.Message)
	}
	return nil
}

// facts are the newest rows of the change log: its last line of a key is the key's state.
func (p program) facts() ([]string, error) {
	log, err := os.ReadFile(filepath.Join(p.dir, "facts.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("read facts: %w", err)
	}
	state := map[string]string{}
	for line := range strings.Lines(string(log)) {
		var row struct {
			Key               string `json:"_key"`
			Product, Severity string
			Due               *string
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			return nil, fmt.Errorf("read facts: %w", err)
		}
		state[row.Key] = fmt.Sprintf("%s  %-9s  %-6s", row.Key, row.Product, row.Severity)
		if row.Due != nil {
			state[row.Key] += "  by " + *row.Due
		}
	}
	var lines []string
	for _, line := range state {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	slices.Sort(lines)
	return lines, nil
}

// freshetJSON runs a verb and reads its data. That some rows became dead letters is no failure here.
func (p program) freshetJSON(ctx context.Context, data any, args ...string) error {
	for i, a := range args {
		if a == "flow.yaml" {
			args[i] = filepath.Join(p.dir, a)
		}
	}
	command := slices.Concat(p.freshet, args, []string{"--json"})
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Env = append(os.Environ(), "MODEL_URL="+p.server.URL+"/v1")
	said, err := c.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return fmt.Errorf("start freshet: %w", err)
	} else if ok && len(said) == 0 {
		return fmt.Errorf("run freshet: %w: %s", err, exit.Stderr)
	}
	var envelope struct {
		OK    bool
		Data  json.RawMessage
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(said, &envelope); err != nil {
		return fmt.Errorf("read what freshet says: %w: %s", err, said)
	}
	if !envelope.OK && envelope.Error.Code != "dead_letters" {
		return fmt.Errorf("run freshet %s: %s: %s", args[0], envelope.Error.Code, envelope.Error.Message)
	}
	if data == nil {
		return nil
	}
	if err := json.Unmarshal(envelope.Data, data); err != nil {
		return fmt.Errorf("read what freshet says: %w: %s", err, said)
	}
	return nil
}
