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
	python, err := FindPython()
	if err != nil {
		missing(t, pythonWorker)
	}
	return python
}

const pythonWorker = "Python with pyarrow"

// FindPython is Python for a program.
func FindPython() (string, error) {
	if _, err := os.Stat(filepath.Join(folder(), "python-worker", "complete")); err != nil {
		return "", absent(pythonWorker)
	}
	return filepath.Join(folder(), "python-worker", "bin", "python"), nil
}
