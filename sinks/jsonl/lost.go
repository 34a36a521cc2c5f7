package jsonl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/freshet/freshet/stream"
)

// present makes sure that the path still leads to the log as this opening has left it, so that nothing is
// written into the void or behind a hole. A log that was removed, replaced or shortened is lost (I10):
// opened anew, it is seen to be wiped and is written again. While it cannot be made anew, because its folder
// is gone or its disk full, that is an ordinary error, and what was moved away may yet come back.
func (w *writer) present() error {
	open, err := w.file.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", w.path, err)
	}
	there, err := os.Stat(w.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := creatable(w.path + ".new"); err != nil {
			return fmt.Errorf("make the log anew: %w", err)
		}
		return fmt.Errorf("write %s: the file is gone: %w", w.path, stream.ErrLost)
	case err != nil:
		return fmt.Errorf("look at the log: %w", err)
	case !os.SameFile(open, there):
		return fmt.Errorf("write %s: another file has taken its place: %w", w.path, stream.ErrLost)
	case open.Size() < w.beside.mark.Size:
		return fmt.Errorf("write %s: %d bytes are left of %d: %w", w.path, open.Size(), w.beside.mark.Size, stream.ErrLost)
	}
	return nil
}

func creatable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte{'\n'})
	return errors.Join(err, f.Close(), os.Remove(path))
}

// opening is how every line of a log begins.
var opening = []byte(`{"_op":"`)

// ours makes sure that a file which is there is a change log, or the torn beginning of one: nothing else is
// written to.
func ours(f *os.File, path string) error {
	begin := make([]byte, len(opening))
	n, err := f.ReadAt(begin, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.HasPrefix(opening, begin[:n]) {
		return nil
	}
	return &stream.Problem{Code: "path_unreadable", Field: "path", Exit: 3, Message: path + " holds something else than a change log",
		Hint: "give the sink another path, or move that file away"}
}

// unreadable is a line that is no change. It is not passed over: what it stood for would be guessed.
func unreadable(path string, line int, err error) error {
	return &stream.Problem{Code: "path_unreadable", Field: "path", Exit: 3, Message: fmt.Sprintf("%s:%d is no change: %v", path, line, err),
		Hint: "move that file away: the next run writes everything again, at no call"}
}

// wholeFile opens the log where it is a file or can become one.
func wholeFile(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &stream.Problem{Code: "path_unreadable", Field: "path", Exit: 3, Message: path + " is no ordinary file",
			Hint: "give the sink the path of a file, or move away what is there"}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}
