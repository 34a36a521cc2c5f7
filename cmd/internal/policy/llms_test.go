package policy_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThePageForMachinesNamesEverything holds docs/llms.txt to every page, verb and kind. That what it names exists is asked of it by
// the rules for pages.
func TestThePageForMachinesNamesEverything(t *testing.T) {
	whole := page(t, "docs/llms.txt")
	names := 0
	want := func(what, part string) {
		names++
		if !strings.Contains(whole, part) {
			t.Errorf("docs/llms.txt does not name %s %s", what, part)
		}
	}
	pages, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		want("the page", "]("+filepath.Base(p)+")")
	}
	for _, m := range regexp.MustCompile(`(?m)^-- (freshet [a-z ]+) --$`).FindAllStringSubmatch(page(t, "cmd/freshet/testdata/help.golden"), -1) {
		if m[1] != "freshet dlq" {
			want("the verb", "`"+m[1])
		}
	}
	for _, p := range []string{"sources", "operators", "sinks", "models"} {
		_, made, _ := strings.Cut(page(t, "docs/"+p+".md"), "<!-- From here on made from the code")
		for _, m := range regexp.MustCompile(`(?m)^## ([a-z0-9]+)$`).FindAllStringSubmatch(made, -1) {
			want("the kind", "`"+m[1]+"`")
		}
	}
	if names < 50 {
		t.Errorf("only %d names were looked for", names)
	}
}
