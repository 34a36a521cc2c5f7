package policy_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/policy"
)

// The page of operations has a line for every exit code and every metric that there is, and for none that
// there is not.
func TestTheRunbookKnowsEveryExitCodeAndMetric(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, code := range []int{0, 1, 2, 3, 10, 20, 21} {
		if !strings.Contains(page, "\n| "+strconv.Itoa(code)+" | ") {
			t.Errorf("exit code %d has no line", code)
		}
	}
	made := metrics(t)
	if len(made) < 15 {
		t.Fatalf("only %d metrics were found in the code: %v", len(made), made)
	}
	named := regexp.MustCompile("`(freshet_[a-z_]+)`").FindAllStringSubmatch(page, -1)
	for _, m := range made {
		if !strings.Contains(page, "`"+m+"`") {
			t.Errorf("metric %s is not on the page", m)
		}
	}
	for _, m := range named {
		if !slices.Contains(made, m[1]) {
			t.Errorf("the page names a metric %s, and there is none", m[1])
		}
	}
}

// metrics are the names that the code gives to metrics, wherever they are declared.
func metrics(t *testing.T) []string {
	t.Helper()
	house, err := policy.ReadHouse(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^"(freshet_[a-z_]+_(total|seconds|bytes|state|letters|pending|credits|ratio|info)|freshet_credits)"$`)
	var found []string
	for _, s := range house.Sources {
		if s.Test {
			continue
		}
		ast.Inspect(s.Syntax, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok {
				if m := name.FindStringSubmatch(lit.Value); m != nil && !slices.Contains(found, m[1]) {
					found = append(found, m[1])
				}
			}
			return true
		})
	}
	return found
}
