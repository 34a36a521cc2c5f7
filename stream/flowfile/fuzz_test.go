package flowfile_test

import (
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/freshet/freshet/stream/flowfile"
)

// FuzzParse checks that no text makes reading panic, that every diagnostic stands in the file and says
// how to mend it, and that no value of a variable is shown.
func FuzzParse(f *testing.F) {
	f.Add(good)
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".yaml") {
				f.Add(string(file.Data))
			}
		}
	}
	f.Add("flow: x\nmodels: {a: &a {openai: {model: '${A}${B'}, limits: *a}}\nsteps: {a: *a, b: {<<: *a}}\n? {a: b}\n: c\n")
	dir := folder(f)
	f.Fuzz(func(t *testing.T, text string) {
		lookup := func(name string) (string, bool) { return canary + name, name != "MISSING" }
		file, err := flowfile.Parse("flow.yaml", []byte(text), flowfile.LoadOptions{Registry: kinds(), LookupEnv: lookup, Dir: dir})
		if err == nil {
			_, err = file.Plan(t.Context())
		}
		var faults flowfile.Diagnostics
		if err != nil && (!errors.As(err, &faults) || len(faults) == 0) {
			t.Fatalf("the error is no Diagnostics: %#v", err)
		}
		lines := regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]").Split(text, -1)
		for i, d := range faults {
			if d.Code == "" || d.Message == "" || d.Hint == "" || d.Exit == 0 {
				t.Fatalf("something is not said: %+v", d)
			}
			if len(text) <= 1<<20 && (d.Line < 1 || d.Line > len(lines) || d.Column < 1 || d.Column > len([]rune(lines[d.Line-1]))+2) {
				t.Fatalf("the place is not in the file: %+v", d)
			}
			if i > 0 && d.Line < faults[i-1].Line {
				t.Fatalf("out of order: %+v", faults)
			}
			shown := d.Message + d.Hint + d.Snippet
			if strings.Contains(shown, canary) && !strings.Contains(text, canary) {
				t.Fatalf("the value of a variable is shown: %#v", d)
			}
			if strings.ContainsFunc(d.Snippet, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) {
				t.Fatalf("a snippet commands the terminal: %q", d.Snippet)
			}
		}
	})
}
