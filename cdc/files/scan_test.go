package files_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/files"
	"github.com/google/go-cmp/cmp"
	"github.com/zeebo/xxh3"
)

func TestRowsSayWhatStandsInTheFolder(t *testing.T) {
	modified := time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)
	for _, c := range []struct{ name, path, content, text, media string }{
		{"a Markdown file", "guide/start.md", "# Start\n\nFlows.\n", "# Start\n\nFlows.\n", "text/markdown"},
		{"plain text without extension", "LICENSE", "Permission is granted\n", "Permission is granted\n", "text/plain"},
		{"a dot file", ".github/a.yml", "on: push\n", "on: push\n", "application/yaml"},
		{"an empty file", "empty.txt", "", "", "text/plain"},
		{"bytes that are no UTF-8", "latin.txt", "caf\xe9 au lait\n", "<null>", "text/plain"},
		{"UTF-8 with a NUL", "nul.txt", "a\x00b", "<null>", "application/octet-stream"},
		{"an image", "dot.png", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "<null>", "image/png"},
		{"a name beyond ASCII", "日本/文書.md", "本文\n", "本文\n", "text/markdown"},
		{"a name with odd characters", "a b\\c\"d%.txt", "odd\n", "odd\n", "text/plain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newCorpus(t, map[string]string{c.path: c.content})
			f.must(os.Chtimes(f.path(c.path), modified, modified))
			f.load()
			f.holds(map[string]string{c.path: c.text})
			row := f.in.Rows()["0/"+c.path]
			hash := xxh3.Hash128([]byte(c.content)).Bytes()
			got := []any{row.At(0).Text(), row.At(1).Text(), row.At(3).Int64(), row.At(4).Time(), row.At(5).Text(), row.At(6).Text()}
			want := []any{c.path, c.content, int64(len(c.content)), modified.Truncate(time.Microsecond), hex.EncodeToString(hash[:]), c.media}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRowsHaveTheColumnsAskedFor(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "text"})
	f.must(f.once(func(s *cdc.Start) { s.Columns = [][]int{{6, 3, 0}} }))
	row := f.in.Rows()["0/a.md"]
	if row.Len() != 3 || row.At(0).Text() != "text/markdown" || row.At(1).Int64() != 4 || row.At(2).Text() != "a.md" {
		t.Errorf("row %x", []byte(row))
	}
}

func TestGlobsChooseFiles(t *testing.T) {
	all := map[string]string{"a.md": "", "b.txt": "", ".hidden.md": "", "src/a.md": "", "src/deep/b.md": "", "src/b.go": "", "vendor/x/c.md": "", "src-old/d.md": ""}
	for _, c := range []struct {
		name             string
		include, exclude []string
		want             []string
	}{
		{"two stars match no directory as well", []string{"**/*.md"}, nil, []string{".hidden.md", "a.md", "src-old/d.md", "src/a.md", "src/deep/b.md", "vendor/x/c.md"}},
		{"one star stays in its directory", []string{"*.md"}, nil, []string{".hidden.md", "a.md"}},
		{"a base leads the way", []string{"src/**/*.md", "b.txt"}, nil, []string{"b.txt", "src/a.md", "src/deep/b.md"}},
		{"an exclude takes away", []string{"**/*.md"}, []string{"vendor/**", "**/.*"}, []string{"a.md", "src-old/d.md", "src/a.md", "src/deep/b.md"}},
		{"an exclude of everything below but not of the name", nil, []string{"src"}, []string{".hidden.md", "a.md", "b.txt", "src-old/d.md", "src/a.md", "src/b.go", "src/deep/b.md", "vendor/x/c.md"}},
		{"braces", []string{"{src,vendor}/**/*.md"}, nil, []string{"src/a.md", "src/deep/b.md", "vendor/x/c.md"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newCorpus(t, all)
			f.options.Include, f.options.Exclude = c.include, c.exclude
			f.load()
			var got []string
			for rel := range f.texts() {
				got = append(got, rel)
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A flow that reads the folder it lies in would otherwise read what it writes, and write what it reads.
func TestWhatTheReaderWritesIsLeftOut(t *testing.T) {
	c := newCorpus(t, map[string]string{"a.md": "a", ".state/one/log": "x", "out.jsonl": "x", "out.jsonl.b": "b", "sub/c.md": "c"})
	link := filepath.Join(filepath.Dir(c.dir), "link")
	c.must(os.Symlink(c.dir, link))
	c.omit = []string{c.path(".state"), filepath.Join(link, "out.jsonl"), c.path("not/there"), c.dir, filepath.Dir(c.dir)}
	c.load()
	c.holds(map[string]string{"a.md": "a", "out.jsonl.b": "b", "sub/c.md": "c"})
	c.follow()
	c.write(".state/one/log", "more")
	c.write(".state/two/log", "new")
	c.write("out.jsonl", "more")
	c.write("not/there/yet", "new")
	c.write("sub/d.md", "d")
	c.reaches(map[string]string{"a.md": "a", "out.jsonl.b": "b", "sub/c.md": "c", "sub/d.md": "d"})
	c.halt()
}

func TestNewRefusesOptionsThatCannotBeMeant(t *testing.T) {
	_, err := files.New(files.Options{Include: []string{"/abs/*.md", "ok/**"}, Exclude: []string{"[a", "../x", ""},
		MaxSize: -1, Poll: -1, Reconcile: -1, MaxDelete: 1.5})
	var options []string
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatal(err)
	}
	var walk func(errs []error)
	walk = func(errs []error) {
		for _, e := range errs {
			if j, ok := e.(interface{ Unwrap() []error }); ok {
				walk(j.Unwrap())
			} else if o, ok := errors.AsType[*cdc.OptionError](e); ok && o.Hint != "" {
				options = append(options, o.Option)
			}
		}
	}
	walk(joined.Unwrap())
	if diff := cmp.Diff([]string{"include", "exclude", "exclude", "exclude", "path", "max_size", "poll", "reconcile", "max_delete"}, options); diff != "" {
		t.Error(diff)
	}
}

func TestLinksAndSpecialFilesAreNeverRead(t *testing.T) {
	f := newCorpus(t, map[string]string{"real/a.md": "a"})
	secret := filepath.Join(t.TempDir(), "secret.md")
	f.must(os.WriteFile(secret, []byte("secret"), 0o600))
	f.must(os.Symlink(secret, f.path("out.md")))
	f.must(os.Symlink(filepath.Dir(secret), f.path("outside")))
	f.must(os.Symlink("real", f.path("inside")))
	f.must(os.Symlink("a.md", f.path("real/b.md")))
	f.must(os.Symlink(".", f.path("real/loop")))
	f.must(syscall.Mkfifo(f.path("fifo.md"), 0o644)) // opening it would wait for ever
	l, err := net.Listen("unix", f.path("socket.md"))
	f.must(err)
	defer l.Close()
	f.load()
	f.holds(map[string]string{"real/a.md": "a"})

	// A file that becomes a link, and a directory that becomes one, are gone.
	f.write("file.md", "file")
	f.write("dir/x.md", "x")
	f.follow()
	f.reaches(map[string]string{"real/a.md": "a", "file.md": "file", "dir/x.md": "x"})
	f.remove("file.md")
	f.must(os.Symlink(secret, f.path("file.md")))
	f.remove("dir")
	f.must(os.Symlink("real", f.path("dir")))
	f.reaches(map[string]string{"real/a.md": "a"})
}

// I7: what did not change is neither read nor put.
func TestOnlyWhatChangedIsPut(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "a", "b.md": "b", "c/d.md": "d", "c/e.md": "e"})
	f.rest()
	f.load()
	step := func(name string, change func(), want ...string) {
		t.Helper()
		change()
		f.rest()
		f.load()
		if diff := cmp.Diff(want, f.ops()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		f.holds(f.disk())
	}
	step("nothing", func() {})
	step("an edit", func() { f.write("b.md", "B") }, "update b.md")
	step("an edit of the same size that sets mtime back", func() {
		info, err := os.Stat(f.path("a.md"))
		f.must(err)
		f.write("a.md", "A")
		f.must(os.Chtimes(f.path("a.md"), info.ModTime(), info.ModTime()))
	}, "update a.md")
	step("a touch, for the column modified", func() {
		f.must(os.Chtimes(f.path("a.md"), time.Unix(1_600_000_000, 0), time.Unix(1_600_000_000, 0)))
	}, "update a.md")
	step("a rename of a file and of a directory", func() { f.rename("a.md", "z.md"); f.rename("c", "d") },
		"update d/d.md", "update d/e.md", "update z.md", "delete a.md", "delete c/d.md", "delete c/e.md")
	step("another file in its place, as large and as old", func() {
		info, err := os.Stat(f.path("b.md"))
		f.must(err)
		f.replace("b.md", "X")
		f.must(os.Chtimes(f.path("b.md"), info.ModTime(), info.ModTime()))
	}, "update b.md")
	step("a file instead of a directory", func() { f.remove("d"); f.write("d", "file") },
		"update d", "delete d/d.md", "delete d/e.md")
	step("a directory instead of a file", func() { f.remove("d"); f.write("d/x", "file") }, "update d/x", "delete d")
}

func TestAGlobThatChangesDeletesWhatItLeavesOut(t *testing.T) {
	f := newCorpus(t, nil)
	for i := range 40 {
		f.write(fmt.Sprintf("%d.txt", i), "x")
	}
	f.write("a.md", "a")
	f.load()
	f.options.Include = []string{"*.md"} // 40 of 41 go, and that is meant
	f.load()
	f.holds(map[string]string{"a.md": "a"})
}

func TestRejectedFilesAreToldOnceWithTheirCause(t *testing.T) {
	f := newCorpus(t, map[string]string{"good.md": "good", "large.md": strings.Repeat("x", 101), "fine.md": strings.Repeat("x", 100)})
	f.options.MaxSize = 100
	f.must(os.WriteFile(f.path("caf\xe9\\.md"), []byte("x"), 0o644))
	f.rest()
	f.load()
	var got []string
	for _, p := range f.in.Puts() {
		if p.Op == cdc.Reject {
			got = append(got, p.Key.Text()+": "+p.Cause.Code+": "+p.Cause.Message)
		}
	}
	slices.Sort(got)
	want := []string{
		`./caf\xE9\\.md: bad_name: ./caf\xE9\\.md: the name is not valid UTF-8`,
		"large.md: too_large: large.md: 101 bytes, and max_size is 100",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	f.holds(map[string]string{"good.md": "good", "fine.md": strings.Repeat("x", 100)})

	f.load()
	if diff := cmp.Diff([]string(nil), f.ops()); diff != "" {
		t.Errorf("nothing changed: %s", diff)
	}
	f.options.MaxSize = 99
	f.load()
	if diff := cmp.Diff([]string{"reject fine.md"}, f.ops()); diff != "" {
		t.Errorf("a smaller limit: %s", diff)
	}
	f.options.MaxSize = 200
	f.must(os.Rename(f.path("caf\xe9\\.md"), f.path("café.md")))
	f.load()
	if diff := cmp.Diff([]string{"update café.md", "update fine.md", "update large.md", `delete ./caf\xE9\\.md`}, f.ops()); diff != "" {
		t.Errorf("cured: %s", diff)
	}
	f.holds(f.disk())
}

func TestRescanPutsEveryFileAsSnapshot(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "a", "b.md": "b", "large": "too large"})
	f.options.MaxSize = 5
	f.load()
	f.remove("b.md")
	f.must(f.once(func(s *cdc.Start) { s.Rescan = true }))
	if diff := cmp.Diff([]string{"update a.md", "reject large", "delete b.md"}, f.ops()); diff != "" {
		t.Error(diff)
	}
	for _, p := range f.in.Puts() {
		if p.Snapshot != (p.Op != cdc.Delete) {
			t.Errorf("%s %s: snapshot is %v", p.Op, p.Key.Text(), p.Snapshot)
		}
	}
}

func TestPositionsCountTransactionsAcrossRuns(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "a", "b.md": "b"})
	f.rest()
	f.load()
	if got := f.source().Describe(f.in.Position()); got != "2" {
		t.Errorf("two files lead to %s", got)
	}
	f.write("c.md", "c")
	f.load()
	if got := f.source().Describe(f.in.Position()); got != "3" {
		t.Errorf("a third file leads to %s", got)
	}
	err := f.once(func(s *cdc.Start) { s.Resume = "of another source" })
	if err == nil {
		t.Error("a position of another source is taken")
	}
}

// I10: a folder that is not there is not an empty one.
func TestAMissingFolderIsAFault(t *testing.T) {
	f := newCorpus(t, map[string]string{"a.md": "a"})
	f.load()
	check := func(name string) {
		t.Helper()
		_, err := f.source().Collections(t.Context())
		if fault(err).Code != "path_unreadable" || fault(err).Hint == "" || !strings.Contains(fault(err).Error(), "docs") {
			t.Errorf("%s: collections: %v", name, err)
		}
		if err := f.once(); fault(err).Code != "path_unreadable" || len(f.in.Puts()) > 0 {
			t.Errorf("%s: run: %v after %v", name, err, f.ops())
		}
	}
	f.must(os.Rename(f.dir, f.dir+".away"))
	check("missing")
	f.must(os.WriteFile(f.dir, nil, 0o644))
	check("a file")
	f.must(os.Remove(f.dir))
	f.must(os.Rename(f.dir+".away", f.dir))
	f.load()
	f.holds(map[string]string{"a.md": "a"})
}
