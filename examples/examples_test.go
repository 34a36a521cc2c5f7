package examples_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/examples/internal/scene"
	"github.com/freshet/freshet/internal/testenv"
)

var update = flag.Bool("update", false, "write what the examples print into their pages")

// begin and end stand around the command and the output that the page of an example shows.
const begin, end = "```console\n$ ", "```\n"

// linesMax bounds the page of an example.
const linesMax = 40

// Every folder is an example with a page, whose command prints in the root of the checkout just what the page shows, and
// leaves nothing behind. A new example is tested by having a page.
func TestEveryExamplePrintsWhatItsPageShows(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary and starts servers")
	}
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("*/README.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no example has a page: %v", err)
	}
	binary := build(t)
	for _, page := range pages {
		name := filepath.Dir(page)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := read(t, page)
			if !strings.Contains(string(index), "| `"+p.command+"`") || !strings.Contains(string(index), "]("+name+")") {
				t.Errorf("README.md has no line for %s with `%s`", name, p.command)
			}
			got := p.run(t, binary)
			if *update {
				p.write(t, got)
			} else if diff := cmp.Diff(p.shown, got); diff != "" {
				t.Errorf("%s shows something else than is printed (-shown +printed); -update mends it:\n%s", page, diff)
			}
		})
	}
}

// Every folder of an example has a page.
func TestEveryExampleHasAPage(t *testing.T) {
	folders, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if !folder.IsDir() || folder.Name() == "internal" {
			continue
		}
		if _, err := os.Stat(filepath.Join(folder.Name(), "README.md")); err != nil {
			t.Errorf("the example has no page: %v", err)
		}
	}
}

// build makes the binary that all examples share, unless the environment names one.
func build(t *testing.T) string {
	t.Helper()
	if binary := os.Getenv(scene.Binary); binary != "" {
		return binary
	}
	binary := filepath.Join(t.TempDir(), "freshet")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../cmd/freshet")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, said)
	}
	return binary
}

// page is that of an example.
type page struct {
	path                   string
	before, command, after string // the text around what is shown
	shown                  string
}

func read(t *testing.T, path string) page {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n > linesMax {
		t.Errorf("%s has %d lines; %d are enough", path, n, linesMax)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	command, rest, _ := strings.Cut(rest, "\n")
	shown, after, closed := strings.Cut(rest, end)
	if !ok || !closed || command != "go run ./examples/"+filepath.Dir(path) {
		t.Fatalf("%s does not show the command go run ./examples/%s with what it prints", path, filepath.Dir(path))
	}
	return page{path: path, before: before, command: command, after: after, shown: shown}
}

// run runs the command and gives what it prints.
func (p page) run(t *testing.T, binary string) string {
	t.Helper()
	temp, err := os.MkdirTemp("", "examples-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) })  // it is empty, or that is told below
	if err := os.Chmod(temp, 0o755); err != nil { // servers run as another user
		t.Fatal(err)
	}
	words := strings.Fields(p.command)
	command := exec.CommandContext(t.Context(), words[0], words[1:]...)
	command.Dir, command.Env = "..", append(os.Environ(), "TMPDIR="+temp, "NO_COLOR=1", scene.Binary+"="+binary)
	var out, complaints bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaints
	if err := command.Run(); err != nil {
		if os.Getenv(testenv.RequireServers) != "1" && strings.Contains(complaints.String(), testenv.ErrMissing.Error()) {
			t.Skip(complaints.String())
		}
		t.Fatalf("%s: %v: %s\n%s", p.command, err, complaints.String(), out.String())
	}
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("%s leaves %s behind", p.command, entry.Name())
	}
	return out.String()
}

// write puts what is printed into the page.
func (p page) write(t *testing.T, printed string) {
	t.Helper()
	if err := os.WriteFile(p.path, []byte(p.before+begin+p.command+"\n"+printed+end+p.after), 0o644); err != nil {
		t.Fatal(err)
	}
}
