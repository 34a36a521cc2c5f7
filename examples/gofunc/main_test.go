package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write what the program prints as what it is to print")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTheProgramPrintsWhatItIsSaidTo runs the program as it is, then again, then after edits.
func TestTheProgramPrintsWhatItIsSaidTo(t *testing.T) {
	minutes := filepath.Join(t.TempDir(), "minutes")
	if err := os.CopyFS(minutes, os.DirFS("minutes")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := program{minutes: minutes, work: t.TempDir(), out: &out}
	run := func(what, question string) {
		out.WriteString("# " + what + "\n")
		if err := p.run(t.Context(), question); err != nil {
			t.Fatal(err)
		}
	}
	edit := func(file, before, after string) {
		name := filepath.Join(minutes, file)
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), before) {
			t.Fatalf("%s lacks %q: %v", file, before, err)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(text), before, after, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run("the first time: one file cannot be read", "who pays for trips to customers?")
	run("nothing has changed", "how long are backups kept?")
	edit("2026-05-board.md", "2026-31-05", "2026-05-06")
	run("the date is mended", "where is the summer party?")
	edit("2026-04-board.md", "# Board, April\n", "# Board, April\n\n- [decided] 2026-04-08 Omar: Plants are watered by whoever comes first.\n")
	run("a decision is put before the others, which keep their place", "who waters the plants?")
	if err := os.Remove(filepath.Join(minutes, "2026-03-board.md")); err != nil {
		t.Fatal(err)
	}
	run("the minutes of March are gone", "who pays for trips to customers?")

	golden := filepath.Join("testdata", "want.txt")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("the program prints something else (-want +got):\n%s", diff)
	}
	checkLog(t, filepath.Join(p.work, "decisions.jsonl"))
}

// checkLog replays the change log: its last line of a key is the key's state.
func checkLog(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	live := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		_, rest, _ := strings.Cut(line, `"_key":"`)
		key, _, _ := strings.Cut(rest, `"`)
		if strings.Contains(line, `"_op":"delete"`) {
			delete(live, key)
			continue
		}
		_, rest, _ = strings.Cut(line, `"what":"`)
		live[key], _, _ = strings.Cut(rest, `"`)
	}
	want := map[string]int{"Backups are kept for ninety days and restored once a month.": 1, "New laptops are bought every four years.": 1,
		"Plants are watered by whoever comes first.": 1, "Support answers within one working day.": 1, "The summer party is on the roof.": 1}
	got := map[string]int{}
	for _, what := range live {
		got[what]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the log adds up to something else (-want +got):\n%s", diff)
	}
}
