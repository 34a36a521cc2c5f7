package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the program prints as what it is to print")

// The example prints what its page says: one ticket of twenty is a dead letter until the model is mended, an answer that is
// no use is asked for again, and what was answered is not asked twice.
func TestTheProgramPrintsWhatItIsSaidTo(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "freshet")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/freshet")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build freshet: %v: %s", err, said)
	}
	var out bytes.Buffer
	p := program{freshet: []string{binary}, dir: filepath.Join(t.TempDir(), "tickets"), out: &out}
	if err := p.run(t.Context()); err != nil {
		t.Fatal(err)
	}
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
}
