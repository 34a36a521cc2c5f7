package flowfile_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write golden files anew")

// TestDiagnostics shows each diagnostic as a user sees it: every archive holds flow files, each
// followed by what is rendered for it.
func TestDiagnostics(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	dir := folder(t)
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var renewed []txtar.File
		for _, file := range archive.Files {
			name, isFlow := strings.CutSuffix(file.Name, ".yaml")
			if !isFlow {
				continue
			}
			_, faults := validate(t, dir, string(file.Data))
			var got bytes.Buffer
			if err := faults.Render(&got, false); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(got.String(), canary) {
				t.Errorf("%s: the value of a variable is shown:\n%s", name, &got)
			}
			renewed = append(renewed, file, txtar.File{Name: name + ".txt", Data: got.Bytes()})
			if diff := cmp.Diff(wanted(archive, name), got.String()); diff != "" && !*update {
				t.Errorf("%s: %s (-want +got, -update writes it anew)\n%s", path, name, diff)
			}
		}
		if *update {
			archive.Files = renewed
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func wanted(archive *txtar.Archive, name string) string {
	for _, file := range archive.Files {
		if file.Name == name+".txt" {
			return string(file.Data)
		}
	}
	return ""
}
