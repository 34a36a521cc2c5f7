package statestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// makeDir makes dir, readable by its owner only, and makes the entry in its parent durable.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); err == nil {
		return nil
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(dir))
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeFile puts data at path so that a crash leaves the old file or the new one, never a part:
// a temporary file, synced, renamed, and the directory synced.
func writeFile(fs vfs.FS, path string, data []byte) error {
	temp := path + ".new"
	f, err := fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fs.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(fs, fs.PathDir(path))
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// lockDir takes the lock of a directory. A lock that somebody holds is an [InUseError]; it dies
// with the process, so it can never be stale.
func lockDir(fs vfs.FS, dir string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fs)
	if err == nil {
		return lock, nil
	}
	var path *os.PathError
	var errno syscall.Errno
	switch {
	case errors.As(err, &path):
	case errors.As(err, &errno) && errno != syscall.EAGAIN && errno != syscall.EACCES:
	case errno == syscall.EAGAIN:
		return nil, &InUseError{Path: dir, Err: errors.New("another process has locked it")}
	default:
		return nil, &InUseError{Path: dir, Err: flatten(err)}
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}
