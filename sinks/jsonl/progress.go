package jsonl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/freshet/freshet/stream"
)

// mark is what the progress file holds.
type mark struct {
	State      string `json:"state"`
	Instance   uint32 `json:"instance"`
	Generation uint64 `json:"generation"`
	Epoch      uint64 `json:"epoch"`
	Size       int64  `json:"size"` // of the log at that epoch, in bytes
}

// DamagedError says that a progress file does not tell what it should. It is not taken for a missing one:
// what the log holds would be guessed.
type DamagedError struct {
	Path string
	Err  error
}

func (e *DamagedError) Error() string { return fmt.Sprintf("read %s: %v", e.Path, e.Err) }
func (e *DamagedError) Unwrap() error { return e.Err }

// Hint says what a user can do.
func (e *DamagedError) Hint() string {
	return "remove that file: everything is then written to the log again"
}

func readMark(path string) (mark, error) {
	var m mark
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("read progress of a log: %w", err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, &DamagedError{Path: path, Err: err}
	}
	return m, nil
}

// progress is the file beside a log, as one opening has it. An opening begins with a file of its own, put
// in the place of the one before; from then on it writes in place. So a later opening is seen by the file
// having become another one, and nothing that an older opening still writes can reach it (I3).
type progress struct {
	path string
	file *os.File
	info os.FileInfo
	mark mark
}

// block is the unit of the file's length. A mark is shorter, and a write of one sector is not torn.
const block = 512

// take puts a new file with the mark in place of the one that is there.
func take(path string, m mark) (*progress, error) {
	p := &progress{path: path, mark: m}
	beside := path + newSuffix
	f, err := os.OpenFile(beside, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write progress of a log: %w", err)
	}
	p.file = f
	if err = p.write(m); err == nil {
		err = f.Sync() // renamed before it is on disk, it could be found empty
	}
	if err == nil {
		p.info, err = f.Stat()
	}
	if err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write progress of a log: %w", err), f.Close())
	}
	return p, nil
}

// write renews the mark. It need not be synced: an older one makes lines come twice, which changes nothing.
func (p *progress) write(m mark) error {
	data, err := json.Marshal(&m)
	if err != nil {
		return fmt.Errorf("write %s: %w", p.path, err)
	}
	rest := block - 1 - len(data)%block
	data = append(append(data, bytes.Repeat([]byte{' '}, rest)...), '\n')
	if _, err := p.file.WriteAt(data, 0); err != nil {
		return fmt.Errorf("write %s: %w", p.path, err)
	}
	p.mark = m
	return nil
}

// fenced reports whether a newer generation has taken the log over.
func (p *progress) fenced() error {
	there, err := os.Stat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := creatable(p.path + newSuffix); err != nil {
			return fmt.Errorf("make the progress of a log anew: %w", err)
		}
		return fmt.Errorf("write beside %s: the file is gone: %w", p.path, stream.ErrLost)
	}
	if err != nil {
		return fmt.Errorf("look at the progress of a log: %w", err)
	}
	if os.SameFile(there, p.info) {
		return nil
	}
	now, err := readMark(p.path)
	if err != nil {
		return err
	}
	if now.Generation > p.mark.Generation || now.State != p.mark.State {
		return fmt.Errorf("write beside %s: generation %d, this state has %d: %w", p.path, now.Generation, p.mark.Generation, stream.ErrFenced)
	}
	return fmt.Errorf("write beside %s: another file has taken its place: %w", p.path, stream.ErrLost)
}
