package split_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// goTree returns the sources of the Go installation with one ending, sorted by path.
func goTree(t testing.TB, ending string, sizeMin, sizeMax int64, limit int) []string {
	t.Helper()
	var texts []string
	err := filepath.WalkDir(runtime.GOROOT(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ending) || len(texts) == limit {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() < sizeMin || info.Size() > sizeMax {
			return err
		}
		data, err := os.ReadFile(path)
		texts = append(texts, string(data))
		return err
	})
	if err != nil {
		t.Fatalf("walk the Go tree: %v", err)
	}
	return texts
}
