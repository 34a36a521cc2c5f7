package statestore

import (
	"bufio"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// What Pebble says a file is written for when it makes one.
const (
	walCategory     vfs.DiskWriteCategory = "pebble-wal"
	flushCategory   vfs.DiskWriteCategory = "pebble-memtable-flush"
	compactCategory vfs.DiskWriteCategory = "pebble-compaction"
	rewriteCategory vfs.DiskWriteCategory = "pebble-blob-file-rewrite"
)

// disk is the file system as Pebble writes to it: logs that end the process where they fail, and tables that
// are written in large parts.
type disk struct {
	vfs.FS
	die func(err error, causes ...any)
}

var _ vfs.FS = disk{}

// Unwrap gives the file system below, as vfs.Root asks for it.
func (fs disk) Unwrap() vfs.FS { return fs.FS }

func (fs disk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	return fs.written(f, category), err
}

func (fs disk) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(from, to, category)
	return fs.written(f, category), err
}

func (fs disk) written(f vfs.File, category vfs.DiskWriteCategory) vfs.File {
	if f == nil {
		return f
	}
	switch category {
	case walCategory:
		return walFile{File: f, die: fs.die}
	case flushCategory, compactCategory, rewriteCategory:
		return tableFile{File: f, part: bufio.NewWriterSize(f, tablePart)}
	}
	return f
}

// walFile is a log that is written. It ends the process at the very write or sync that fails (I1, I2). Left to
// itself, Pebble keeps the error of a write that nobody syncs until it turns to the next log, and panics then
// where it does not hold the mutex that its caller releases: the runtime ends the process for that, with the
// exit code of a wrong flow.
type walFile struct {
	vfs.File
	die func(err error, causes ...any)
}

func (f walFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.checked(err)
}

func (f walFile) Sync() error     { return f.checked(f.File.Sync()) }
func (f walFile) SyncData() error { return f.checked(f.File.SyncData()) }

func (f walFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.checked(err)
}

func (f walFile) checked(err error) error {
	if err != nil {
		f.die(fmt.Errorf("write state: %w", err), err)
	}
	return err
}

// tablePart is how many bytes of a table go to the file at once.
const tablePart = 128 << 10

// tableFile is a table, or a file of values, that is written. Pebble writes it block by block, each in two pieces that end within a
// page: the file system takes 4 KiB and 12 KiB at a time for three times what the same bytes cost in large parts, and that
// was a tenth of all that an upsert costs. Nobody reads the file before it is synced, and a sync writes what is left.
type tableFile struct {
	vfs.File
	part *bufio.Writer
}

func (f tableFile) Write(p []byte) (int, error) { return f.part.Write(p) }

func (f tableFile) Sync() error {
	if err := f.part.Flush(); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f tableFile) SyncData() error {
	if err := f.part.Flush(); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f tableFile) SyncTo(length int64) (bool, error) {
	if err := f.part.Flush(); err != nil {
		return false, err
	}
	return f.File.SyncTo(length)
}

func (f tableFile) Close() error { return errors.Join(f.part.Flush(), f.File.Close()) }
