package jsonl_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/freshet/freshet/sinks/jsonl"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// log is a change log under test.
type log struct {
	t    testing.TB
	path string
}

func (l *log) Sink() stream.Sink {
	s, err := jsonl.New(jsonl.Options{Path: l.path})
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// collection is what stands before a key of the suite where there are several collections.
var collection = regexp.MustCompile(`^c[0-9]/`)

// Rows folds the log: the last line of a key is its state.
func (l *log) Rows(stream.Writer) (map[string]streamtest.Row, error) {
	data, err := os.ReadFile(l.path)
	if err != nil {
		return nil, err
	}
	rows := map[string]streamtest.Row{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		var line struct {
			Op      string `json:"_op"`
			Key     string `json:"_key"`
			Version uint64 `json:"_version"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, fmt.Errorf("read line %q: %w", lines.Text(), err)
		}
		line.Key = collection.ReplaceAllString(line.Key, "") // the suite gives no key to two collections
		switch line.Op {
		case "upsert":
			columns := lines.Text()
			columns = columns[strings.Index(columns, `,"owner":`)+1:]
			columns = columns[:strings.LastIndex(columns, `,"_version":`)]
			rows[line.Key] = streamtest.Row{JSON: "{" + columns + "}", Version: line.Version}
		case "delete":
			delete(rows, line.Key)
		default:
			return nil, fmt.Errorf("read line %q: no such operation", lines.Text())
		}
	}
	return rows, lines.Err()
}

// Wipe removes the log, and leaves what lies beside it.
func (l *log) Wipe() error { return os.Remove(l.path) }

func TestTheLogIsASink(t *testing.T) {
	streamtest.TestSink(t, streamtest.SinkTraits{Shared: true, Foreign: true}, func(t *testing.T) streamtest.SinkHarness {
		return &log{t: t, path: filepath.Join(t.TempDir(), "deep", "out.jsonl")}
	})
}

// A log that was emptied, or whose progress was removed as well, is a loss too (I10).
func TestEveryLossIsNoticed(t *testing.T) {
	losses := map[string]func(path string) error{
		"the log is emptied":                     func(path string) error { return os.Truncate(path, 0) },
		"the last line is cut off":               func(path string) error { return cut(path, 1) },
		"the log and its progress are removed":   func(path string) error { return errors.Join(os.Remove(path), os.Remove(path+".progress")) },
		"the progress is removed and the log is": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	}
	for name, lose := range losses {
		t.Run(name, func(t *testing.T) {
			l := &log{t: t, path: filepath.Join(t.TempDir(), "deep", "out.jsonl")}
			w := opened(t, l, stream.Target{State: "s"})
			write(t, w, 1, "a")
			write(t, w, 2, "b")
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := lose(l.path); err != nil {
				t.Fatal(err)
			}
			w = opened(t, l, stream.Target{State: "s", Epoch: 2, Generation: w.Progress().Generation})
			defer w.Close()
			if p := w.Progress(); !p.Wiped {
				t.Errorf("the progress is %+v, want it wiped", p)
			}
		})
	}
}

// A line that a crash has torn is cut off and written again; nothing before it is touched.
func TestATornLineIsWrittenAgain(t *testing.T) {
	l := &log{t: t, path: filepath.Join(t.TempDir(), "out.jsonl")}
	w := opened(t, l, stream.Target{State: "s"})
	write(t, w, 1, "a")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"_op":"upsert","_key":"b","ow`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	w = opened(t, l, stream.Target{State: "s", Epoch: 1, Generation: w.Progress().Generation})
	defer w.Close()
	if p := w.Progress(); p.Wiped || p.Epoch != 1 {
		t.Errorf("the progress is %+v, want epoch 1 and nothing wiped", p)
	}
	write(t, w, 2, "b")
	rows, err := l.Rows(w)
	if err != nil || len(rows) != 2 {
		t.Errorf("the log has %v (%v), want a and b", rows, err)
	}
}

// A progress file that is damaged is named, not taken for a new target (I10).
func TestADamagedProgressIsNamed(t *testing.T) {
	l := &log{t: t, path: filepath.Join(t.TempDir(), "out.jsonl")}
	if err := os.WriteFile(l.path+".progress", []byte(`{"state":"s","epo`), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := l.Sink().Open(t.Context(), stream.Target{State: "s"})
	if err == nil || !strings.Contains(err.Error(), l.path+".progress") {
		t.Errorf("a damaged progress file is answered with %v", err)
	}
}

func cut(path string, bytes int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-bytes)
}
