package statestore

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/xxh3"
)

// Stage is a synced file of records: a delta that is too large for one batch, kept until the epoch
// that evaluates it slice by slice is done (I2).
//
// The file is a title, then per record a head of 12 bytes (length, and a hash of length and record
// seeded with the offset of the head) and the record, then a head of length 0xffffffff for the end.
// A record that was moved, torn, cut off or flipped is seen.
type Stage struct {
	ID   uint64
	path string
	fs   vfs.FS
}

const (
	stageTitle = "freshet stage 1\n"
	stageHead  = 12
	stageEnd   = 1<<32 - 1
	stageExt   = ".stage"
	// stageBuffer is how much a writer or a reader holds in memory besides one record.
	stageBuffer = 256 << 10
)

// StageStart is the position of the first record of every stage.
const StageStart int64 = int64(len(stageTitle))

// maxStageRecord is the size of the largest record that a stage takes, in bytes.
const maxStageRecord = 1 << 30

func stageHash(at int64, length uint32, record []byte) uint64 {
	seed := xxh3.HashSeed(binary.LittleEndian.AppendUint32(nil, length), uint64(at))
	return xxh3.HashSeed(record, seed)
}

// stages numbers the stages of a DB.
type stages struct {
	mu   sync.Mutex
	next uint64
	// pinned keeps Remove waiting while a checkpoint, whose copy of the state may refer to any
	// stage that is there now, has not linked the files yet.
	pinned sync.RWMutex
}

func (s *stages) open(db *DB) error {
	ids, err := db.Stages()
	if err != nil {
		return err
	}
	for _, id := range ids {
		s.next = max(s.next, id)
	}
	return nil
}

// StageWriter writes a new stage. It belongs to one goroutine, which ends it with Close or Abort.
type StageWriter struct {
	stage Stage
	f     vfs.File
	w     *bufio.Writer
	at    int64
	err   error // first failed write
}

// NewStage begins a stage. It can be opened only after Close.
func (db *DB) NewStage() (*StageWriter, error) {
	if db.readOnly {
		return nil, ErrReadOnly
	}
	if err := makeDir(db.fs, db.path(stagedDir)); err != nil {
		return nil, fmt.Errorf("make directory of stages: %w", err)
	}
	db.stages.mu.Lock()
	db.stages.next++
	stage := Stage{ID: db.stages.next, fs: db.fs}
	db.stages.mu.Unlock()
	stage.path = db.stagePath(stage.ID)
	f, err := db.fs.Create(stage.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("make stage %d: %w", stage.ID, err)
	}
	w := &StageWriter{stage: stage, f: f, w: bufio.NewWriterSize(f, stageBuffer), at: StageStart}
	_, w.err = w.w.WriteString(stageTitle)
	return w, nil
}

func (db *DB) stagePath(id uint64) string {
	return db.fs.PathJoin(db.path(stagedDir), fmt.Sprintf("%016x%s", id, stageExt))
}

// ID returns the number of the stage, by which the state refers to it.
func (w *StageWriter) ID() uint64 { return w.stage.ID }

// Len returns how many bytes have been written.
func (w *StageWriter) Len() int64 { return w.at }

// Append adds a record, which is copied. A failed write is also returned by every later call.
func (w *StageWriter) Append(record []byte) error {
	if w.err == nil && len(record) > maxStageRecord {
		return fmt.Errorf("append to stage %d: record of %d bytes is larger than %d", w.stage.ID, len(record), maxStageRecord)
	}
	return w.write(uint32(len(record)), record)
}

func (w *StageWriter) write(length uint32, record []byte) error {
	if w.err == nil {
		var head [stageHead]byte
		binary.LittleEndian.PutUint32(head[:], length)
		binary.LittleEndian.PutUint64(head[4:], stageHash(w.at, length, record))
		if _, w.err = w.w.Write(head[:]); w.err == nil {
			_, w.err = w.w.Write(record)
		}
		w.at += stageHead + int64(len(record))
	}
	if w.err != nil {
		return fmt.Errorf("append to stage %d: %w", w.stage.ID, w.err)
	}
	return nil
}

// Close ends the stage and returns once file and directory are on disk. After an error the stage
// is gone.
func (w *StageWriter) Close() error {
	err := w.write(stageEnd, nil)
	if err == nil {
		err = w.w.Flush()
	}
	if err == nil {
		err = w.f.Sync()
	}
	err = errors.Join(err, w.f.Close())
	if err == nil {
		err = syncDir(w.stage.fs, w.stage.fs.PathDir(w.stage.path))
	}
	if err != nil {
		return fmt.Errorf("close stage %d: %w", w.stage.ID, errors.Join(err, w.stage.fs.Remove(w.stage.path)))
	}
	return nil
}

// Abort removes the stage instead of closing it.
func (w *StageWriter) Abort() error {
	return errors.Join(w.f.Close(), w.stage.fs.Remove(w.stage.path))
}

// Stages returns the numbers of all stages in ascending order, those that nothing refers to
// included: at start an engine removes what its state does not know.
func (db *DB) Stages() ([]uint64, error) {
	names, err := db.fs.List(db.path(stagedDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list stages: %w", err)
	}
	var ids []uint64
	for _, name := range names {
		number, ok := strings.CutSuffix(name, stageExt)
		if id, err := strconv.ParseUint(number, 16, 64); ok && err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// OpenStage returns a stage. One that the state refers to and that is not there is a
// [CorruptError].
func (db *DB) OpenStage(id uint64) (*Stage, error) {
	s := &Stage{ID: id, path: db.stagePath(id), fs: db.fs}
	if _, err := db.fs.Stat(s.path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, &CorruptError{File: s.path, Err: errors.New("stage is missing")}
		}
		return nil, fmt.Errorf("open stage %d: %w", id, err)
	}
	return s, nil
}

// RemoveStage removes a stage, durably: call it after the epoch of its last slice is durable. A
// stage that is gone already is no error.
func (db *DB) RemoveStage(id uint64) error {
	db.stages.pinned.RLock()
	defer db.stages.pinned.RUnlock()
	err := db.fs.Remove(db.stagePath(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(db.fs, db.path(stagedDir))
	}
	if err != nil {
		return fmt.Errorf("remove stage %d: %w", id, err)
	}
	return nil
}

// Scan calls fn for every record from position at on, [StageStart] or a next that an earlier Scan
// gave; next is the position after the record. The record is valid during the call. [ErrStop] ends
// the scan early. Anything but whole records up to the end is a [CorruptError].
func (s *Stage) Scan(at int64, fn func(record []byte, next int64) error) (err error) {
	f, err := s.fs.Open(s.path)
	if err != nil {
		return fmt.Errorf("open stage %d: %w", s.ID, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open stage %d: %w", s.ID, err)
	}
	r := stageReader{path: s.path, size: info.Size(), at: at}
	title := make([]byte, len(stageTitle))
	if _, err := f.ReadAt(title, 0); err != nil || string(title) != stageTitle {
		return r.corrupt(0, errors.New("no title"))
	}
	r.r = bufio.NewReaderSize(io.NewSectionReader(f, at, max(r.size-at, 0)), stageBuffer)
	for {
		record, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := fn(record, r.at); err != nil {
			return stopped(err)
		}
	}
}

// stageReader reads records one after the other.
type stageReader struct {
	path     string
	r        *bufio.Reader
	at, size int64
	record   []byte
}

func (r *stageReader) corrupt(at int64, err error) error {
	return &CorruptError{File: r.path, Err: fmt.Errorf("record at byte %d: %w", at, err)}
}

// next returns the next record, or io.EOF at the end record.
func (r *stageReader) next() ([]byte, error) {
	start := r.at
	var head [stageHead]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return nil, r.corrupt(start, errors.New("cut off"))
	}
	length := binary.LittleEndian.Uint32(head[:])
	want := binary.LittleEndian.Uint64(head[4:])
	r.at += stageHead
	if length == stageEnd {
		if stageHash(start, length, nil) != want || r.at != r.size {
			return nil, r.corrupt(start, errors.New("bad end"))
		}
		return nil, io.EOF
	}
	if int64(length) > r.size-r.at {
		return nil, r.corrupt(start, errors.New("longer than the file"))
	}
	if cap(r.record) < int(length) {
		r.record = make([]byte, length)
	}
	r.record = r.record[:length]
	if _, err := io.ReadFull(r.r, r.record); err != nil {
		return nil, fmt.Errorf("read stage %s: %w", r.path, err)
	}
	if stageHash(start, length, r.record) != want {
		return nil, r.corrupt(start, errChecksum)
	}
	r.at += int64(length)
	return r.record, nil
}
