package files

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The walk's order is that of the whole paths, which that of the names in each directory is not.
func TestTheWalkGoesInByteOrderOfPaths(t *testing.T) {
	dir := t.TempDir()
	want := []string{"a", "a b/z", "a!", "a-b", "a.b/c", "a.d", "a/b", "a/b.c/d", "a/b0", "a0/x", "ab", "b/a/a/a", "b/a.a", "b/a0", "é/a", "日"}
	want[0] = "A"
	slices.Sort(want)
	for _, rel := range want {
		path := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var got []string
	w := walker{filter: &filter{},
		file:    func(_ *os.Root, _, rel string) error { got = append(got, rel); return nil },
		blocked: func(rel string, err error) error { return err }}
	if err := w.walk(t.Context(), root, "", 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPruningLeavesOutWhatCannotMatch(t *testing.T) {
	f, err := newFilter([]string{"src/lib/**/*.md", "docs/*.txt"}, []string{"**/node_modules/**", "src/lib/gen*/**"})
	if err != nil {
		t.Fatal(err)
	}
	for rel, want := range map[string]bool{
		"src": true, "src/lib": true, "src/lib/x": true, "src/other": false, "srcs": false, "docs": true, "docsy": false,
		"src/lib/node_modules": false, "src/lib/x/node_modules/y": false, "src/lib/generated": false, "vendor": false,
	} {
		if got := f.enters(rel); got != want {
			t.Errorf("enters %s: %v", rel, got)
		}
	}
}
