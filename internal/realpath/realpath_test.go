package realpath_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/internal/realpath"
)

func TestEverySpellingHasTheSameName(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "there"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("there", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for given, want := range map[string]string{
		"there":                         "there",
		"link":                          "there",
		"./there/../link/.":             "there",
		filepath.Join(dir, "link"):      "there",
		"link/still/to be made":         "there/still/to be made",
		"nowhere/../nor here":           "nor here",
		"link/still/../still/to be/../": "there/still",
	} {
		if got, want := realpath.Of(given), filepath.Join(dir, want); got != want {
			t.Errorf("%s is %s, want %s", given, got, want)
		}
	}
}
