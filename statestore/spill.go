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

// Spill is a synced file of records: a delta that is too large for one batch, kept until the epoch
// that evaluates it slice by slice is done (I2).
//
// The file is a title, then per record a head of 12 bytes (length, and a hash of length and record
// seeded with the offset of the head) and the record, then a head of length 0xffffffff for the end.
// A record that was moved, torn, cut off or flipped is seen.
type Spill struct {
	ID   uint64
	path string
	fs   vfs.FS
}

const (
	spillTitle = "freshet stage 1\n" // this and the names of folder and file are those of format 1
	spillHead  = 12
	spillEnd   = 1<<32 - 1
	spillExt   = ".stage"
	// spillBuffer is how much a writer or a reader holds in memory besides one record.
	spillBuffer = 256 << 10
)

// SpillStart is the position of the first record of every spill.
const SpillStart int64 = int64(len(spillTitle))

// maxSpillRecord is the size of the largest record that a spill takes, in bytes.
const maxSpillRecord = 1 << 30

func spillHash(at int64, length uint32, record []byte) uint64 {
	seed := xxh3.HashSeed(binary.LittleEndian.AppendUint32(nil, length), uint64(at))
	return xxh3.HashSeed(record, seed)
}

// spills numbers the spills of a DB.
type spills struct {
	mu   sync.Mutex
	next uint64
	// pinned keeps Remove waiting while a checkpoint, whose copy of the state may refer to any
	// spill that is there now, has not linked the files yet.
	pinned sync.RWMutex
}

func (s *spills) open(db *DB) error {
	ids, err := db.Spills()
	if err != nil {
		return err
	}
	for _, id := range ids {
		s.next = max(s.next, id)
	}
	return nil
}

// SpillWriter writes a new spill. It belongs to one goroutine, which ends it with Close or Abort.
type SpillWriter struct {
	spill Spill
	f     vfs.File
	w     *bufio.Writer
	at    int64
	err   error // first failed write
}

// NewSpill begins a spill. It can be opened only after Close.
func (db *DB) NewSpill() (*SpillWriter, error) {
	if db.readOnly {
		return nil, ErrReadOnly
	}
	if err := makeDir(db.fs, db.path(spillDir)); err != nil {
		return nil, fmt.Errorf("make directory of spills: %w", err)
	}
	db.spills.mu.Lock()
	db.spills.next++
	spill := Spill{ID: db.spills.next, fs: db.fs}
	db.spills.mu.Unlock()
	spill.path = db.spillPath(spill.ID)
	f, err := db.fs.Create(spill.path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("make spill %d: %w", spill.ID, err)
	}
	w := &SpillWriter{spill: spill, f: f, w: bufio.NewWriterSize(f, spillBuffer), at: SpillStart}
	_, w.err = w.w.WriteString(spillTitle)
	return w, nil
}

func (db *DB) spillPath(id uint64) string {
	return db.fs.PathJoin(db.path(spillDir), fmt.Sprintf("%016x%s", id, spillExt))
}

// ID returns the number of the spill, by which the state refers to it.
func (w *SpillWriter) ID() uint64 { return w.spill.ID }

// Len returns how many bytes have been written.
func (w *SpillWriter) Len() int64 { return w.at }

// Append adds a record, which is copied. A failed write is also returned by every later call.
func (w *SpillWriter) Append(record []byte) error {
	if w.err == nil && len(record) > maxSpillRecord {
		return fmt.Errorf("append to spill %d: record of %d bytes is larger than %d", w.spill.ID, len(record), maxSpillRecord)
	}
	return w.write(uint32(len(record)), record)
}

func (w *SpillWriter) write(length uint32, record []byte) error {
	if w.err == nil {
		var head [spillHead]byte
		binary.LittleEndian.PutUint32(head[:], length)
		binary.LittleEndian.PutUint64(head[4:], spillHash(w.at, length, record))
		if _, w.err = w.w.Write(head[:]); w.err == nil {
			_, w.err = w.w.Write(record)
		}
		w.at += spillHead + int64(len(record))
	}
	if w.err != nil {
		return fmt.Errorf("append to spill %d: %w", w.spill.ID, w.err)
	}
	return nil
}

// Close ends the spill and returns once file and directory are on disk. After an error the spill
// is gone.
func (w *SpillWriter) Close() error {
	err := w.write(spillEnd, nil)
	if err == nil {
		err = w.w.Flush()
	}
	if err == nil {
		err = w.f.Sync()
	}
	err = errors.Join(err, w.f.Close())
	if err == nil {
		err = syncDir(w.spill.fs, w.spill.fs.PathDir(w.spill.path))
	}
	if err != nil {
		return fmt.Errorf("close spill %d: %w", w.spill.ID, errors.Join(err, w.spill.fs.Remove(w.spill.path)))
	}
	return nil
}

// Abort removes the spill instead of closing it.
func (w *SpillWriter) Abort() error {
	return errors.Join(w.f.Close(), w.spill.fs.Remove(w.spill.path))
}

// Spills returns the numbers of all spills in ascending order, those that nothing refers to
// included: at start an engine removes what its state does not know.
func (db *DB) Spills() ([]uint64, error) {
	names, err := db.fs.List(db.path(spillDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list spills: %w", err)
	}
	var ids []uint64
	for _, name := range names {
		number, ok := strings.CutSuffix(name, spillExt)
		if id, err := strconv.ParseUint(number, 16, 64); ok && err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// OpenSpill returns a spill. One that the state refers to and that is not there is a
// [CorruptError].
func (db *DB) OpenSpill(id uint64) (*Spill, error) {
	s := &Spill{ID: id, path: db.spillPath(id), fs: db.fs}
	if _, err := db.fs.Stat(s.path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, &CorruptError{File: s.path, Err: errors.New("spill is missing")}
		}
		return nil, fmt.Errorf("open spill %d: %w", id, err)
	}
	return s, nil
}

// RemoveSpill removes a spill, durably: call it after the epoch of its last slice is durable. A
// spill that is gone already is no error.
func (db *DB) RemoveSpill(id uint64) error {
	db.spills.pinned.RLock()
	defer db.spills.pinned.RUnlock()
	err := db.fs.Remove(db.spillPath(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(db.fs, db.path(spillDir))
	}
	if err != nil {
		return fmt.Errorf("remove spill %d: %w", id, err)
	}
	return nil
}

// Scan calls fn for every record from position at on, [SpillStart] or a next that an earlier Scan
// gave; next is the position after the record. The record is valid during the call. [ErrStop] ends
// the scan early. Anything but whole records up to the end is a [CorruptError].
func (s *Spill) Scan(at int64, fn func(record []byte, next int64) error) (err error) {
	f, err := s.fs.Open(s.path)
	if err != nil {
		return fmt.Errorf("open spill %d: %w", s.ID, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open spill %d: %w", s.ID, err)
	}
	r := spillReader{path: s.path, size: info.Size(), at: at}
	title := make([]byte, len(spillTitle))
	if _, err := f.ReadAt(title, 0); err != nil || string(title) != spillTitle {
		return r.corrupt(0, errors.New("no title"))
	}
	r.r = bufio.NewReaderSize(io.NewSectionReader(f, at, max(r.size-at, 0)), spillBuffer)
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

// spillReader reads records one after the other.
type spillReader struct {
	path     string
	r        *bufio.Reader
	at, size int64
	record   []byte
}

func (r *spillReader) corrupt(at int64, err error) error {
	return &CorruptError{File: r.path, Err: fmt.Errorf("record at byte %d: %w", at, err)}
}

// next returns the next record, or io.EOF at the end record.
func (r *spillReader) next() ([]byte, error) {
	start := r.at
	var head [spillHead]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return nil, r.corrupt(start, errors.New("cut off"))
	}
	length := binary.LittleEndian.Uint32(head[:])
	want := binary.LittleEndian.Uint64(head[4:])
	r.at += spillHead
	if length == spillEnd {
		if spillHash(start, length, nil) != want || r.at != r.size {
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
		return nil, fmt.Errorf("read spill %s: %w", r.path, err)
	}
	if spillHash(start, length, r.record) != want {
		return nil, r.corrupt(start, errChecksum)
	}
	r.at += int64(length)
	return r.record, nil
}
