package files

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/internal/blob"
	"github.com/zeebo/xxh3"
)

// Two writes within one tick leave one stamp: a racy note has the content hashed again.
func TestARacyNoteIsNotTrusted(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.md"), []byte("second"), 0o644); err != nil {
		t.Fatal(err)
	}
	<-time.After(2 * fineStep)
	s, err := New(Options{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	ledger := &cdctest.Ledger{}
	pass := func() []cdctest.Put {
		t.Helper()
		in := cdctest.NewInlet()
		if err := s.Run(t.Context(), cdc.Start{Once: true, Resume: blob.Position(1), Ledger: ledger}, in); err != nil {
			t.Fatal(err)
		}
		for _, p := range in.Puts() {
			ledger.Set(0, p.Key, p.Note)
		}
		return in.Puts()
	}
	first := pass()
	good := decodeNote(first[0].Note)
	if good.racy || good.hash != xxh3.Hash128([]byte("second")).Bytes() {
		t.Fatalf("note %+v", good)
	}
	for _, c := range []struct {
		name   string
		bend   func(*note)
		update bool
	}{
		{"a note that fits", func(*note) {}, false},
		{"a racy one of other content", func(n *note) { n.racy, n.hash = true, xxh3.Hash128([]byte("first!")).Bytes() }, true},
		{"a racy one of this content, to be renewed", func(n *note) { n.racy = true }, true},
		{"one of another form", func(n *note) { n.outcome = stale }, true},
	} {
		bent := good
		c.bend(&bent)
		ledger.Set(0, keyOf("a.md"), bent.append(nil))
		puts := pass()
		if got := len(puts) == 1 && decodeNote(puts[0].Note) == good && puts[0].After.At(blob.Text).Text() == "second"; got != c.update {
			t.Errorf("%s: %d puts", c.name, len(puts))
		}
		if again := pass(); len(again) > 0 {
			t.Errorf("%s: put again", c.name)
		}
	}
}

func testReader(maxSize int64, whole bool) *reader {
	return &reader{maxSize: maxSize, whole: whole, hasher: xxh3.New()}
}

func testRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func TestAFileThatNeverRestsIsTakenAndNotTrusted(t *testing.T) {
	dir := t.TempDir()
	w, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	line := strings.Repeat("x", 99) + "\n"
	if _, err := w.WriteString(strings.Repeat(line, 20_000)); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = w.WriteString(line)
			}
		}
	})
	defer func() { close(stop); writing.Wait() }()
	r, root := testReader(1<<30, true), testRoot(t, dir)
	for range 100 { // on a busy machine the writer, too, rests now and then
		f, err := r.read(t.Context(), root, "log")
		if err != nil {
			t.Fatal(err)
		}
		if f.note.outcome != accepted || f.note.hash != xxh3.Hash128(f.data).Bytes() || !bytes.HasPrefix(f.data, []byte(line)) {
			t.Fatalf("note %+v with %d bytes", f.note, len(f.data))
		}
		if f.note.racy {
			return
		}
		if int64(len(f.data)) != f.note.size {
			t.Fatalf("%d bytes of %d, and the note is trusted", len(f.data), f.note.size)
		}
	}
	t.Error("no reading of a file that is being written is racy")
}

// Whoever swaps a file for a link at the right moment gains nothing: what was opened is what was seen.
func TestALinkThatTakesAFilesPlaceIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "real", "other": "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	var swapping sync.WaitGroup
	swapping.Go(func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
			err = errors.Join(os.Symlink("other", link), os.Rename(link, filepath.Join(dir, "a")),
				os.WriteFile(file, []byte("real"), 0o644), os.Rename(file, filepath.Join(dir, "a")))
		}
		done <- err
	})
	r, root := testReader(1<<20, true), testRoot(t, dir)
	read := 0
	for range 20_000 {
		f, _, err := r.once(root, "a")
		if err == nil && f.note.outcome == accepted {
			if read++; string(f.data) != "real" {
				t.Errorf("read %q", f.data)
				break
			}
		}
	}
	close(stop)
	swapping.Wait()
	if err := <-done; err != nil || read == 0 {
		t.Errorf("%d readings, %v", read, err)
	}
}

// A reader gives the same hash however it reads, at every size around its buffers and limits.
func TestReadersAgree(t *testing.T) {
	dir := t.TempDir()
	root := testRoot(t, dir)
	shared := testReader(3*readChunk, true)
	streaming := testReader(3*readChunk, false)
	for _, size := range []int{0, 1, blob.SniffBytes - 1, blob.SniffBytes, readChunk - 1, readChunk, readChunk + 1, 2*readChunk + 7, 3 * readChunk, 3*readChunk + 1, 5} {
		content := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
		if err := os.WriteFile(filepath.Join(dir, "f"), content, 0o644); err != nil {
			t.Fatal(err)
		}
		whole, err1 := shared.read(t.Context(), root, "f")
		parts, err2 := streaming.read(t.Context(), root, "f")
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if size > 3*readChunk {
			if whole.note.outcome != tooLarge || parts.note.outcome != tooLarge || whole.cause == nil {
				t.Errorf("%d bytes: %v and %v", size, whole.note.outcome, parts.note.outcome)
			}
			continue
		}
		if want := xxh3.Hash128(content).Bytes(); whole.note.hash != want || parts.note.hash != want {
			t.Errorf("%d bytes: the hashes differ", size)
		}
		if !bytes.Equal(whole.data, content) || parts.data != nil || !bytes.Equal(whole.head, parts.head) ||
			!bytes.Equal(parts.head, content[:min(size, blob.SniffBytes)]) {
			t.Errorf("%d bytes: the content differs", size)
		}
	}
}
