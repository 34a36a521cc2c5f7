package policy_test

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/freshet/freshet/cmd/internal/policy"
)

var update = flag.Bool("update", false, "rewrite the wanted findings in testdata")

// TestRulesFindTheirFaults shows every rule a broken house. An archive begins with "rule: <name>"; its file "want"
// holds the findings of that rule, those that fail nothing behind "soft ".
func TestRulesFindTheirFaults(t *testing.T) {
	archives, err := filepath.Glob("testdata/faults/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	proved := make(map[string]bool)
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(archive.Comment), "\n")
			rule, ok := ruleNamed(strings.TrimPrefix(first, "rule: "))
			if !ok {
				t.Fatalf("first line %q names no rule", first)
			}
			got := findings(rule, readHouse(t, archive))
			if !fails(got) {
				t.Errorf("finds nothing that fails:\n%s", got)
			}
			proved[rule.Name] = true
			if *update {
				rewrite(t, name, archive, got)
				return
			}
			if diff := cmp.Diff(content(archive, "want"), got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
	for _, rule := range policy.Rules() {
		if !proved[rule.Name] {
			t.Errorf("no archive in testdata/faults breaks the rule %q", rule.Name)
		}
	}
}

// TestASoundHouseIsLeftAlone shows every rule a small house that obeys.
func TestASoundHouseIsLeftAlone(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/sound.txtar")
	if err != nil {
		t.Fatal(err)
	}
	house := readHouse(t, archive)
	for _, rule := range policy.Rules() {
		if got := findings(rule, house); got != "" {
			t.Errorf("rule %q:\n%s", rule.Name, got)
		}
	}
}

// TestABrokenFileIsAnError tells a file that is no Go from a file that breaks no rule.
func TestABrokenFileIsAnError(t *testing.T) {
	_, err := policy.ReadHouse(fstest.MapFS{"cdc/row.go": {Data: []byte("package cdc\nfunc {")}})
	if err == nil || !strings.Contains(err.Error(), "cdc/row.go:2") {
		t.Errorf("error %v, want one that names cdc/row.go:2", err)
	}
}

func ruleNamed(name string) (policy.Rule, bool) {
	for _, rule := range policy.Rules() {
		if rule.Name == name {
			return rule, true
		}
	}
	return policy.Rule{}, false
}

func findings(rule policy.Rule, house *policy.House) string {
	var lines strings.Builder
	for _, f := range rule.Findings(house) {
		if f.Soft {
			lines.WriteString("soft ")
		}
		lines.WriteString(f.String() + "\n")
	}
	return lines.String()
}

// fails reports whether any finding is not soft.
func fails(findings string) bool {
	for line := range strings.Lines(findings) {
		if !strings.HasPrefix(line, "soft ") {
			return true
		}
	}
	return false
}

// readHouse reads the files of an archive. Two marks keep the archives short and this house clean of what they show:
// "~~" is dropped, and a line "repeat N: text" stands for N lines of text.
func readHouse(t *testing.T, archive *txtar.Archive) *policy.House {
	t.Helper()
	files := make(fstest.MapFS)
	for _, f := range archive.Files {
		if f.Name != "want" {
			files[f.Name] = &fstest.MapFile{Data: []byte(expand(t, string(f.Data)))}
		}
	}
	house, err := policy.ReadHouse(files)
	if err != nil {
		t.Fatal(err)
	}
	return house
}

func expand(t *testing.T, text string) string {
	t.Helper()
	lines := strings.SplitAfter(strings.ReplaceAll(text, "~~", ""), "\n")
	for i, line := range lines {
		rest, ok := strings.CutPrefix(line, "repeat ")
		if !ok {
			continue
		}
		count, line, _ := strings.Cut(rest, ": ")
		n, err := strconv.Atoi(count)
		if err != nil {
			t.Fatal(err)
		}
		lines[i] = strings.Repeat(line, n)
	}
	return strings.Join(lines, "")
}

func content(archive *txtar.Archive, name string) string {
	for _, f := range archive.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func rewrite(t *testing.T, name string, archive *txtar.Archive, want string) {
	t.Helper()
	for i, f := range archive.Files {
		if f.Name == "want" {
			archive.Files[i].Data = []byte(want)
		}
	}
	if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
