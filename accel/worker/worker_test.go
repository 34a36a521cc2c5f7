package worker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/freshet/freshet/accel/worker"
	"github.com/freshet/freshet/internal/testenv"
)

func TestTheModuleIsUnpackedOnceByMany(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	places := make([]string, 8)
	var all sync.WaitGroup
	for i := range places {
		all.Go(func() {
			var err error
			if places[i], err = worker.Unpack(dir); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, p := range places {
		if p != places[0] {
			t.Errorf("unpacked at %s and %s", p, places[0])
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v (%v), want the module alone", entries, err)
	}
	for _, f := range []string{"__init__.py", "serving.py", "stdio.py"} {
		want, err := os.ReadFile(filepath.Join("freshet_worker", f))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(places[0], "freshet_worker", f)); err != nil || string(got) != string(want) {
			t.Errorf("%s is another file there (%v)", f, err)
		}
	}
}

func TestTheModulesOwnTests(t *testing.T) {
	python := testenv.Python(t)
	out, err := exec.CommandContext(t.Context(), python, "-B", "-m", "unittest", "discover", "-s", "tests").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
