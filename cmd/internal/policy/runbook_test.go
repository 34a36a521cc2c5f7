package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
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
	for m := range made {
		if !strings.Contains(page, "`"+m+"`") {
			t.Errorf("metric %s is not on the page", m)
		}
	}
	for _, m := range named {
		if _, ok := made[m[1]]; !ok {
			t.Errorf("the page names a metric %s, and there is none", m[1])
		}
	}
}
