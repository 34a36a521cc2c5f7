package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// Python is an interpreter with pyarrow and numpy, for workers. It skips the test when none is installed, and
// fails it where servers are required.
func Python(t testing.TB) string {
	t.Helper()
	python := filepath.Join(Folder(), "python-worker", "bin", "python")
	if _, err := os.Stat(filepath.Join(Folder(), "python-worker", "complete")); err != nil {
		missing(t, "Python with pyarrow")
	}
	return python
}
