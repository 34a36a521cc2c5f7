package jsonl

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Options say where the log lies.
type Options struct {
	Path string // of the file; its folder is made if it is missing
}

// Sink is a declared change log.
type Sink struct{ path string }

var _ stream.Sink = (*Sink)(nil)

// New declares a change log.
func New(o Options) (*Sink, error) {
	if o.Path == "" {
		return nil, &stream.Problem{Code: "missing_key", Field: "path", Message: "a jsonl sink needs a path", Hint: "give the file that the log goes to, such as ./out.jsonl"}
	}
	return &Sink{path: o.Path}, nil
}

// Bind implements stream.Sink: a log takes every collection. Keys are written in another way where there are several.
func (s *Sink) Bind(collections []stream.Collection) (stream.Binding, error) {
	storage := "jsonl " + s.path
	if len(collections) > 1 {
		storage += " by collection"
	}
	return stream.Binding{Storage: []byte(storage)}, nil
}

// Files are the paths that the log writes: its own, and those of the file beside it that tells how far it is.
func (s *Sink) Files() []string {
	mark := s.path + markSuffix
	return []string{s.path, mark, mark + newSuffix}
}

// Open implements stream.Sink.
func (s *Sink) Open(_ context.Context, t stream.Target) (stream.Writer, error) {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return nil, fmt.Errorf("make folder of %s: %w", s.path, err)
	}
	w := &writer{path: s.path, target: t}
	had, err := readMark(w.markPath())
	if err != nil {
		return nil, err
	}
	size, err := w.open()
	if err != nil {
		return nil, err
	}
	w.progress = stream.Progress{Generation: max(had.Generation, t.Generation) + 1}
	same := had.State == t.State && had.Instance == t.Instance
	if same {
		w.progress.Epoch = had.Epoch
	}
	w.progress.Foreign = !same && size > 0
	if t.Epoch > 0 && (!same || size < had.Size) {
		w.progress.Wiped = true
	}
	w.beside, err = take(w.markPath(), mark{State: t.State, Instance: t.Instance, Generation: w.progress.Generation, Epoch: w.progress.Epoch, Size: size})
	if err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	return w, nil
}

// writer is an opened log.
type writer struct {
	path     string
	target   stream.Target
	file     *os.File
	beside   *progress
	progress stream.Progress
	line     []byte
	torn     bool // there may be lines of a range that is not whole

	mu    sync.Mutex
	stray []string // keys in the log that no row of these collections can have; the next Apply ends them
}

// What the names of the file beside a log, and of the one that takes its place, end in.
const (
	markSuffix = ".progress"
	newSuffix  = ".new"
)

func (w *writer) markPath() string { return w.path + markSuffix }

// open opens the log, cuts off a torn last line and gives its length.
func (w *writer) open() (int64, error) {
	f, err := wholeFile(w.path)
	if err != nil {
		return 0, err
	}
	size, err := wholeLines(f)
	if err == nil {
		err = ours(f, w.path)
	}
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("open %s: %w", w.path, err), f.Close())
	}
	w.file = f
	return size, nil
}

// wholeLines is the length of a file up to its last line end.
func wholeLines(f *os.File) (int64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for size > 0 {
		n := min(int64(len(buf)), size)
		if _, err := f.ReadAt(buf[:n], size-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return size - n + int64(i) + 1, nil
		}
		size -= n
	}
	return 0, nil
}

// Progress implements stream.Writer.
func (w *writer) Progress() stream.Progress { return w.progress }

// Apply implements stream.Writer: the lines, then a sync, then the progress.
func (w *writer) Apply(_ context.Context, txn *stream.Txn) error {
	if err := w.beside.fenced(); err != nil {
		return err
	}
	m := w.beside.mark
	if txn.Generation < m.Generation {
		return fmt.Errorf("write %s: generation %d, the log has %d: %w", w.path, txn.Generation, m.Generation, stream.ErrFenced)
	}
	if err := w.present(); err != nil {
		return err
	}
	if w.torn {
		if err := w.file.Truncate(m.Size); err != nil {
			return fmt.Errorf("cut off %s: %w", w.path, err)
		}
	}
	var stray []string
	w.line, stray = w.appendStray(w.line[:0], txn.Generation<<40|txn.Last)
	w.torn = true
	size := m.Size
	for e, err := range txn.Effects {
		if err != nil {
			return err
		}
		if e.Version&epochMask <= m.Epoch {
			continue // I3: it is in the log, and lines behind it may be newer
		}
		w.line = w.appendLine(w.line, &e)
		if len(w.line) >= flushBytes {
			if err := w.write(&size); err != nil {
				return err
			}
		}
	}
	if err := w.write(&size); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", w.path, err)
	}
	m.Size, m.Epoch = size, max(m.Epoch, txn.Last)
	w.torn = false
	if err := w.beside.write(m); err != nil {
		return err
	}
	w.ended(stray)
	return nil
}

// epochMask cuts the epoch out of a version.
const epochMask = 1<<40 - 1

// flushBytes bounds what is collected before it is written.
const flushBytes = 256 << 10

// write puts the collected lines behind the others.
func (w *writer) write(size *int64) error {
	n, err := w.file.WriteAt(w.line, *size)
	if err != nil {
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	*size += int64(n)
	w.line = w.line[:0]
	return nil
}

func (w *writer) appendLine(b []byte, e *stream.Effect) []byte {
	if e.Delete {
		b = append(b, `{"_op":"delete","_key":`...)
		b = cdc.AppendJSONString(b, w.keyText(e))
	} else {
		c := &w.target.Collections[e.Collection]
		b = append(b, `{"_op":"upsert","_key":`...)
		b = cdc.AppendJSONString(b, w.keyText(e))
		if columns := c.Schema.Columns[:len(c.Schema.Columns)-c.Hidden]; len(columns) > 0 {
			b = append(b, ',')
			b = cdc.AppendFieldsJSON(b, columns, e.Row)
		}
	}
	b = append(b, `,"_version":`...)
	b = strconv.AppendUint(b, e.Version, 10)
	b = append(b, `,"_source":`...)
	b = cdc.AppendJSONString(b, e.Source)
	return append(b, '}', '\n')
}

// keyText is the key of a row among all rows of the file: where there are several collections, behind the name of its own.
func (w *writer) keyText(e *stream.Effect) string {
	if len(w.target.Collections) == 1 {
		return e.Key.Text()
	}
	return w.target.Collections[e.Collection].Name + "/" + e.Key.Text()
}

// place finds the collection of a key as keyText writes it, and the key within it; ok is false where it names none.
func (w *writer) place(text string) (collection int, key string, ok bool) {
	if len(w.target.Collections) == 1 {
		return 0, text, true
	}
	for i := range w.target.Collections {
		if key, ok := strings.CutPrefix(text, w.target.Collections[i].Name+"/"); ok {
			return i, key, true
		}
	}
	return 0, "", false
}

// appendStray writes the ends of keys that were written while the log had one collection.
func (w *writer) appendStray(b []byte, version uint64) ([]byte, []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range w.stray {
		b = cdc.AppendJSONString(append(b, `{"_op":"delete","_key":`...), key)
		b = append(strconv.AppendUint(append(b, `,"_version":`...), version, 10), "}\n"...)
	}
	return b, w.stray
}

// ended forgets stray keys whose ends are in the log.
func (w *writer) ended(stray []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stray = w.stray[len(stray):]
}

// Keys implements stream.Lister: the keys whose last line is an upsert.
func (w *writer) Keys(ctx context.Context, fn func(collection int, key string) error) error {
	f, err := os.Open(w.path)
	if err != nil {
		return fmt.Errorf("read %s: %w", w.path, err)
	}
	defer f.Close()
	live := map[string]struct{}{}
	lines := bufio.NewReaderSize(io.LimitReader(f, w.beside.mark.Size), 1<<20)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		var op struct {
			Op  string `json:"_op"`
			Key string `json:"_key"`
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", w.path, err)
		}
		if err := json.Unmarshal(line, &op); err != nil {
			return unreadable(w.path, number, err)
		}
		if op.Op == "upsert" {
			live[op.Key] = struct{}{}
		} else {
			delete(live, op.Key)
		}
	}
	var stray []string
	for key := range live {
		collection, text, ok := w.place(key)
		if !ok {
			stray = append(stray, key)
			continue
		}
		if err := fn(collection, text); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stray = stray
	return nil
}

// Close implements stream.Writer.
func (w *writer) Close() error {
	if err := errors.Join(w.file.Close(), w.beside.file.Close()); err != nil {
		return fmt.Errorf("close %s: %w", w.path, err)
	}
	return nil
}
