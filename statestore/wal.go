package statestore

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walCategory is what Pebble says a file is written for when it makes one of its logs.
const walCategory vfs.DiskWriteCategory = "pebble-wal"

// walFS ends the process at the very write or sync of a log that fails (I1, I2). Left to itself, Pebble
// keeps the error of a write that nobody syncs until it turns to the next log, and panics then where it
// does not hold the mutex that its caller releases: the runtime ends the process for that, with the
// exit code of a wrong flow.
type walFS struct {
	vfs.FS
	die func(err error, causes ...any)
}

var _ vfs.FS = walFS{}

// Unwrap gives the file system below, as vfs.Root asks for it.
func (fs walFS) Unwrap() vfs.FS { return fs.FS }

func (fs walFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	return fs.watched(f, category), err
}

func (fs walFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(from, to, category)
	return fs.watched(f, category), err
}

func (fs walFS) watched(f vfs.File, category vfs.DiskWriteCategory) vfs.File {
	if f == nil || category != walCategory {
		return f
	}
	return walFile{File: f, die: fs.die}
}

// walFile is a log that is written.
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
