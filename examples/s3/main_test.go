package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write what the example tells as what it is to tell")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTheExampleTellsWhatItIsToTell runs the example over the binary that users run.
func TestTheExampleTellsWhatItIsToTell(t *testing.T) {
	if testing.Short() {
		t.Skip("it links the whole binary")
	}
	binary := filepath.Join(t.TempDir(), "freshet")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/freshet").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, said)
	}
	var out bytes.Buffer
	e := example{freshet: []string{binary}, dir: ".", work: t.TempDir(), out: &out}
	if err := e.run(t.Context()); err != nil {
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
		t.Errorf("the example tells something else (-want +got); -update rewrites %s:\n%s", golden, diff)
	}
}
