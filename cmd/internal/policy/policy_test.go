package policy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/cmd/internal/policy"
)

// TestHouse holds the repository against every rule.
func TestHouse(t *testing.T) {
	house, err := policy.ReadHouse(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(house.Sources) == 0 {
		t.Fatal("the house has no Go files: the root is wrong")
	}
	for _, rule := range policy.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, finding := range rule.Findings(house) {
				if finding.Soft {
					t.Logf("%v", finding)
				} else {
					t.Errorf("%v", finding)
				}
			}
		})
	}
}

// root finds the folder that holds go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no folder above holds go.mod")
		}
		dir = parent
	}
}
