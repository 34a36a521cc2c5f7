package policy_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheDesignOfTheEngineNamesItsFiles holds the table of stream/engine/DESIGN.md to the folder: every file of the engine stands in it once,
// and what it names is there.
func TestTheDesignOfTheEngineNamesItsFiles(t *testing.T) {
	_, table, _ := strings.Cut(page(t, "stream/engine/DESIGN.md"), "## Where things are")
	table, _, found := strings.Cut(table, "\n## ")
	if !found {
		t.Fatal("the page has no table of its files")
	}
	named := map[string]int{}
	for _, m := range regexp.MustCompile("`([a-z_]+\\.go)`").FindAllStringSubmatch(table, -1) {
		named[m[1]]++
	}
	files, err := filepath.Glob(filepath.Join(root(t), "stream", "engine", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		if named[name] != 1 {
			t.Errorf("%s stands in the table %d times", name, named[name])
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("the table names %s, which is not there", name)
	}
}
