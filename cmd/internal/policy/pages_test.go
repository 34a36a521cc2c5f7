package policy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestWhatAChangeCosts repeats the table of the README with the binary and the corpus of the demo. (I7)
func TestWhatAChangeCosts(t *testing.T) {
	freshet := build(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root(t), "cmd/freshet/demo"))); err != nil {
		t.Fatal(err)
	}
	h := handbook{t: t, dir: filepath.Join(dir, "handbook")}
	flow := filepath.Join(dir, "flow.yaml")
	table := costs(t)
	changes := []struct {
		name string
		make func()
	}{
		{"the first run", func() {}},
		{"another run", func() {}},
		{"the time of every file renewed", h.renew},
		{"one word of a document edited", func() { h.replace("billing.md", "invoice", "monthly invoice") }},
		{"a paragraph inserted at the top of a document", func() {
			h.write("support.md", "# Before all\n\nA paragraph that was not there before, long enough to be told.\n\n"+h.read("support.md"))
		}},
		{"a document renamed", func() { h.rename("backups.md", "backup-plan.md") }},
		{"a document copied", func() { h.write("incidents-copy.md", h.read("incidents.md")) }},
		{"the edit taken back", func() { h.replace("billing.md", "monthly invoice", "invoice") }},
		{"a document deleted", func() { h.rename("time-off.md", "../time-off.md") }},
		{"the chunks made smaller, 700 characters to 500", func() { h.replace("../flow.yaml", "size: 700", "size: 500") }},
		{"and made larger again", func() { h.replace("../flow.yaml", "size: 500", "size: 700") }},
	}
	if len(table) != len(changes) {
		t.Errorf("the table has %d lines, this test %d", len(table), len(changes))
	}
	for _, change := range changes {
		change.make()
		got := calls(t, freshet, flow)
		if want, ok := table[change.name]; !ok || got != want {
			t.Errorf("%s: %d texts sent, the README says %d", change.name, got, want)
		}
		t.Logf("%-50s %d", change.name, got)
	}
}

// TestFlowsOnPagesAreValid gives every flow file that a page shows to the verb validate.
func TestFlowsOnPagesAreValid(t *testing.T) {
	freshet := build(t)
	var pages []string
	for _, where := range []string{"*.md", "docs/*.md", "docs/llms.txt", "examples/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root(t), where))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	shown := 0
	for _, page := range pages {
		for i, flow := range flows(t, page) {
			shown++
			dir := t.TempDir()
			file := filepath.Join(dir, "flow.yaml")
			if err := os.WriteFile(file, []byte(flow), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(dir, "docs"), 0o700); err != nil {
				t.Fatal(err)
			}
			validate := exec.Command(freshet, "validate", file)
			validate.Env = os.Environ()
			for _, name := range variable.FindAllStringSubmatch(flow, -1) {
				validate.Env = append(validate.Env, name[1]+"=postgres://nobody@127.0.0.1:9/none")
			}
			if out, err := validate.CombinedOutput(); err != nil {
				t.Errorf("%s, flow %d: %v\n%s", filepath.Base(page), i+1, err, out)
			}
		}
	}
	if shown == 0 {
		t.Error("no page shows a flow file")
	}
}

// variable is what a flow file takes of the environment.
var variable = regexp.MustCompile(`\$\{([A-Z_]+)\}`)

// build makes the binary that users get.
func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the binary; run it without -short")
	}
	binary := filepath.Join(t.TempDir(), "freshet")
	command := exec.Command("go", "build", "-o", binary, "./cmd/freshet")
	command.Dir = root(t)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// costs reads the table of the README.
func costs(t *testing.T) map[string]int {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(readme), "| change | texts sent |\n|---|---|\n")
	if !ok {
		t.Fatal("the README has no table of changes and texts sent")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	found := make(map[string]int)
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		n, err := strconv.Atoi(cells[len(cells)-1])
		if err != nil {
			t.Fatal(err)
		}
		found[cells[0]] = n
	}
	return found
}

// calls catches up with the folder and says how many texts were sent to the model.
func calls(t *testing.T, freshet, flow string) int {
	t.Helper()
	command := exec.Command(freshet, "run", flow, "--once", "--json")
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		t.Fatalf("run: %v\n%s%s", err, out, complaints.String())
	}
	var envelope struct {
		Data struct {
			Calls *int `json:"calls"`
		} `json:"data"`
	}
	if err := json.Unmarshal(out, &envelope); err != nil || envelope.Data.Calls == nil {
		t.Fatalf("envelope without calls: %v\n%s", err, out)
	}
	return *envelope.Data.Calls
}

// flows cuts the flow files out of a page.
func flows(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
		if block, _, _ := strings.Cut(block, "```"); strings.HasPrefix(block, "flow:") {
			found = append(found, block)
		}
	}
	return found
}

// handbook is the corpus under change.
type handbook struct {
	t   *testing.T
	dir string
}

func (h handbook) read(name string) string {
	h.t.Helper()
	content, err := os.ReadFile(filepath.Join(h.dir, name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(content)
}

func (h handbook) write(name, content string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// replace changes the first place only.
func (h handbook) replace(name, old, with string) {
	h.t.Helper()
	before := h.read(name)
	after := strings.Replace(before, old, with, 1)
	if after == before {
		h.t.Fatalf("%s does not say %q", name, old)
	}
	h.write(name, after)
}

func (h handbook) rename(from, to string) {
	h.t.Helper()
	if err := os.Rename(filepath.Join(h.dir, from), filepath.Join(h.dir, to)); err != nil {
		h.t.Fatal(err)
	}
}

// renew writes every file of the folder again, as it was.
func (h handbook) renew() {
	h.t.Helper()
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Type().IsRegular() {
			h.write(entry.Name(), h.read(entry.Name()))
		}
	}
}
