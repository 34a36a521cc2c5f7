package jsonl_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/freshet/freshet/stream"
)

// A log that is taken away or cut while it is open is lost, and opened anew it is wiped; nothing is written
// into the void or behind a hole (I10).
func TestALogThatIsTakenAwayIsLost(t *testing.T) {
	aside := func(path string) error { return os.Rename(path, path+".old") }
	for _, c := range []struct {
		name  string
		spoil func(path string) error
	}{
		{"it is moved away", aside},
		{"it is removed", os.Remove},
		{"it is emptied", func(path string) error { return os.Truncate(path, 0) }},
		{"its last byte is cut off", func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, info.Size()-1)
		}},
		{"another file takes its place", func(path string) error { return errors.Join(aside(path), os.WriteFile(path, nil, 0o644)) }},
		{"its progress is removed", func(path string) error { return os.Remove(path + ".progress") }},
		{"its folder is emptied", func(path string) error { return errors.Join(os.Remove(path), os.Remove(path+".progress")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &log{t: t, path: filepath.Join(t.TempDir(), "out.jsonl")}
			w := opened(t, l, stream.Target{State: "s"})
			write(t, w, 1, "a")
			if err := c.spoil(l.path); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := w.Apply(t.Context(), txn(w, 2, "b")); !errors.Is(err, stream.ErrLost) {
					t.Fatalf("the write ends with %v, want ErrLost", err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			w = opened(t, l, stream.Target{State: "s", Epoch: 1, Generation: w.Progress().Generation})
			defer w.Close()
			if !w.Progress().Wiped {
				t.Errorf("opened anew its progress is %+v, want it wiped", w.Progress())
			}
			write(t, w, 2, "b")
			if rows, err := l.Rows(w); err != nil || rows["b"].Version == 0 {
				t.Errorf("the log has %v (%v), want b", rows, err)
			}
		})
	}
}

// While the folder is gone the log waits for it: it may have been moved, or its disk may come back.
func TestALogWhoseFolderIsGoneWaits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	l := &log{t: t, path: filepath.Join(dir, "out.jsonl")}
	w := opened(t, l, stream.Target{State: "s"})
	defer w.Close()
	write(t, w, 1, "a")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(t.Context(), txn(w, 2, "b")); err == nil || errors.Is(err, stream.ErrLost) {
		t.Fatalf("the write ends with %v, want an error that is tried again", err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	write(t, w, 2, "b")
	if rows, err := l.Rows(w); err != nil || len(rows) != 2 {
		t.Errorf("the log has %v (%v), want a and b", rows, err)
	}
}

// What is there and is no change log is not written to, and a line that is no change is not passed over.
func TestSomebodyElsesFileIsLeftAlone(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"a diary", "Dear diary\n"}, {"another kind of JSON lines", "{\"id\":1}\n"}, {"a short line", "x\n"}, {"text without a line end", "Dear diary"}, {"a byte", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &log{t: t, path: filepath.Join(t.TempDir(), "out.jsonl")}
			if err := os.WriteFile(l.path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := l.Sink().Open(t.Context(), stream.Target{State: "s"})
			var problem *stream.Problem
			if !errors.As(err, &problem) || problem.Hint == "" || problem.Exit != 3 {
				t.Errorf("opening it ends with %v, want a problem with a hint", err)
			}
			if now, err := os.ReadFile(l.path); err != nil || !bytes.Equal(now, []byte(c.text)) {
				t.Errorf("the file holds %q (%v), want it as it was", now, err)
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		l := &log{t: t, path: t.TempDir()}
		var problem *stream.Problem
		if _, err := l.Sink().Open(t.Context(), stream.Target{State: "s"}); !errors.As(err, &problem) {
			t.Errorf("opening it ends with %v, want a problem", err)
		}
	})
	t.Run("a spoiled line", func(t *testing.T) {
		l := &log{t: t, path: filepath.Join(t.TempDir(), "out.jsonl")}
		if err := os.WriteFile(l.path, []byte("{\"_op\":\"upsert\",\"_key\":\"a\"}\n{\"_op\":\"upse\x00\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		w := opened(t, l, stream.Target{State: "s"})
		defer w.Close()
		var problem *stream.Problem
		err := w.(stream.Lister).Keys(t.Context(), func(int, string) error { return nil })
		if !errors.As(err, &problem) || !bytes.Contains([]byte(problem.Message), []byte("out.jsonl:2 ")) {
			t.Errorf("listing its keys ends with %v, want a problem that names the line", err)
		}
	})
}
