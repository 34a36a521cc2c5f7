package files_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/google/go-cmp/cmp"
)

// withoutRights calls do with the rights of nobody over files: root ignores modes.
func withoutRights(t *testing.T, f *corpus, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	for dir := f.dir; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
		f.must(os.Chmod(dir, 0o755))
	}
	// The file system identity is that of a thread. The source reads in the goroutine that calls Run.
	runtime.LockOSThread()
	const nobody = 65534
	f.must(syscall.Setfsgid(nobody))
	f.must(syscall.Setfsuid(nobody))
	defer func() {
		f.must(syscall.Setfsuid(0))
		f.must(syscall.Setfsgid(0))
		runtime.UnlockOSThread()
	}()
	do()
}

func TestUnreadableFilesAreRejectedUntilTheyAreReadable(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "a", "b.md": "b"})
	f.rest()
	f.load()
	f.must(os.Chmod(f.path("b.md"), 0))
	withoutRights(t, f, f.load)
	puts := f.in.Puts()
	if len(puts) != 1 || puts[0].Op != cdc.Reject || puts[0].Key.Text() != "b.md" || puts[0].Cause.Code != "unreadable" ||
		!strings.Contains(puts[0].Cause.Message, "b.md: open: permission denied") {
		t.Fatalf("puts %v", f.ops())
	}
	f.holds(map[string]string{"a.md": "a"})
	withoutRights(t, f, f.load)
	if diff := cmp.Diff([]string(nil), f.ops()); diff != "" {
		t.Errorf("it is rejected again: %s", diff)
	}
	// Other rights of the process change nothing in the file's stamp.
	f.load()
	if diff := cmp.Diff([]string{"update b.md"}, f.ops()); diff != "" {
		t.Error(diff)
	}
}

func TestAnUnreadableDirectoryKeepsItsRows(t *testing.T) {
	for _, c := range []struct {
		name string
		mode os.FileMode
	}{{"that cannot be listed", 0}, {"that can be listed but not searched", 0o444}} {
		t.Run(c.name, func(t *testing.T) {
			f := newCorpus(t, map[string]string{"a.md": "a", "locked/b.md": "b", "locked/in/c.md": "c", "locked-not/d.md": "d"})
			f.rest()
			f.load()
			want := f.disk()
			f.must(os.Chmod(f.path("locked"), c.mode))
			f.write("new.md", "new")
			want["new.md"] = "new"
			withoutRights(t, f, f.load)
			f.holds(want)
			if e := fault(f.in.Hindrance()); e.Code != "path_unreadable" || !strings.Contains(e.Error(), "directory locked") {
				t.Errorf("the problem is %v", f.in.Hindrance())
			}
			f.must(os.Chmod(f.path("locked"), 0o755))
			f.remove("locked/b.md")
			delete(want, "locked/b.md")
			withoutRights(t, f, f.load)
			f.holds(want)
			if f.in.Hindrance() != nil {
				t.Errorf("the problem stays: %v", f.in.Hindrance())
			}
		})
	}
}

// What cannot be seen is not gone: it does not count for the guard either.
func TestAnUnreadableDirectoryIsNoMassDelete(t *testing.T) {
	f := many(t, 40)
	f.write("a.md", "a")
	f.write("b.md", "b")
	f.load()
	want := f.disk()
	f.must(os.Chmod(f.path("dir"), 0))
	f.remove("a.md")
	delete(want, "a.md")
	withoutRights(t, f, f.load)
	f.holds(want)
}
