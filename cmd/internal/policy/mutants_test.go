package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/policy"
)

const promises = 11

// Every promise has a mutant, and each mutant says of code and test what is so.
func TestMutantsFitTheCode(t *testing.T) {
	broken := map[int]bool{}
	for _, m := range policy.Mutants() {
		broken[m.Promise] = true
		text, err := os.ReadFile(filepath.Join(root(t), m.File))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), m.Old); n != 1 {
			t.Errorf("%s: what the mutant of I%d replaces stands there %d times, not once: %q", m.File, m.Promise, n, m.Old)
		}
		tests, err := filepath.Glob(filepath.Join(root(t), m.Package, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range tests {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), "func "+m.Test+"(")
		}
		if !found {
			t.Errorf("%s has no test %s, which the mutant of I%d names", m.Package, m.Test, m.Promise)
		}
	}
	for n := 1; n <= promises; n++ {
		if !broken[n] {
			t.Errorf("I%d has no mutant", n)
		}
	}
}

// Every mutant is noticed by the test that proves its promise: the test goes red, by failing and not by
// being unable to build.
func TestMutantsAreNoticed(t *testing.T) {
	if os.Getenv("FRESHET_MUTANTS") != "1" && os.Getenv("FRESHET_SOAK") != "1" {
		t.Skip("builds the engine once for each mutant: `make mutants`")
	}
	for _, m := range policy.Mutants() {
		t.Run(fmt.Sprintf("I%d %s", m.Promise, m.Does), func(t *testing.T) {
			if out := runMutant(t, m); out != "" {
				t.Error(out)
			}
		})
	}
}

// failed reports whether a test went red by what it met: it says so, or what it runs panics.
func failed(out, test string) bool {
	return strings.Contains(out, "--- FAIL: "+test) || strings.Contains(out, "panic: ") && !strings.Contains(out, "panic: test timed out")
}

// runMutant runs the test of a mutant; what it returns says why the mutant counts as unnoticed.
func runMutant(t *testing.T, m policy.Mutant) string {
	t.Helper()
	file, err := filepath.Abs(filepath.Join(root(t), m.File))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mutated := filepath.Join(dir, "mutated.go")
	if err := os.WriteFile(mutated, []byte(strings.Replace(string(text), m.Old, m.New, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-count=1", "-timeout=2m", "-overlay", list, "-run", "^"+m.Test+"$", "./"+m.Package)
	cmd.Dir = root(t)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return fmt.Sprintf("%s does not notice that %s", m.Test, m.Does)
	case !errors.As(err, &exit) || !failed(string(out), m.Test):
		return fmt.Sprintf("%s did not fail by itself: %v\n%s", m.Test, err, out)
	}
	return ""
}
