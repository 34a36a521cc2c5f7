package statestore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/zeebo/xxh3"
)

// A seal is a text file that Close leaves: every file of the database with its size and, for all
// but the tables and their values, whose blocks have checksums of their own, its hash. Pebble takes the first
// unreadable record of a MANIFEST or of the last log for the end of a torn write, in whatever
// state the files were left; while a seal lies over them there are no torn writes, so any
// difference is damage (I10). Opening for writes removes the seal before the first change.
const (
	sealName  = "SEAL"
	sealTitle = "freshet seal 1"
	lockName  = "LOCK"
	tableExt  = ".sst"
	valuesExt = ".blob"
)

// holdsRows reports whether a file holds rows or their values: it is written once and never changed.
func holdsRows(name string) bool {
	return strings.HasSuffix(name, tableExt) || strings.HasSuffix(name, valuesExt)
}

// seal writes the seal of a closed database.
func seal(fs vfs.FS, dir string) error {
	text, err := sealText(fs, dir)
	if err == nil {
		err = writeFile(fs, fs.PathJoin(dir, sealName), text)
	}
	if err != nil {
		return fmt.Errorf("seal %s: %w", dir, err)
	}
	return nil
}

func sealText(fs vfs.FS, dir string) ([]byte, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	text := []byte(sealTitle + "\n")
	for _, name := range names {
		if name == lockName || strings.HasPrefix(name, sealName) {
			continue
		}
		size, hash, err := measure(fs, fs.PathJoin(dir, name))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, errDirectory) {
			continue // an obsolete file that Pebble was still removing, or nothing of the database
		}
		if err != nil {
			return nil, err
		}
		text = fmt.Appendf(text, "%d %016x %s\n", size, hash, name)
	}
	return appendChecksum(text), nil
}

var errDirectory = errors.New("is a directory")

// measure returns the size of a file and the hash of its content, zero for one that holds rows.
func measure(fs vfs.FS, path string) (size int64, hash uint64, err error) {
	info, err := fs.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	if info.IsDir() {
		return 0, 0, errDirectory
	}
	if holdsRows(path) {
		return info.Size(), 0, nil
	}
	data, err := readFile(fs, path)
	return int64(len(data)), xxh3.Hash(data), err
}

// checkSeal compares the files of dir with its seal and reports whether there is one.
func checkSeal(fs vfs.FS, dir string) (sealed bool, err error) {
	path := fs.PathJoin(dir, sealName)
	data, err := readFile(fs, path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read seal: %w", err)
	}
	text, err := cutChecksum(data)
	if err != nil {
		return true, &CorruptError{File: path, Err: err}
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if string(lines[0]) != sealTitle {
		return true, &CorruptError{File: path, Err: fmt.Errorf("unknown title %q", lines[0])}
	}
	for _, line := range lines[1:] {
		var size int64
		var hash uint64
		var name string
		if _, err := fmt.Sscanf(string(line), "%d %x %s", &size, &hash, &name); err != nil {
			return true, &CorruptError{File: path, Err: fmt.Errorf("read line %q: %w", line, err)}
		}
		if err := checkSealed(fs, fs.PathJoin(dir, name), size, hash); err != nil {
			return true, err
		}
	}
	return true, nil
}

func checkSealed(fs vfs.FS, path string, size int64, hash uint64) error {
	gotSize, gotHash, err := measure(fs, path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &CorruptError{File: path, Err: errors.New("missing since the clean close")}
	case err != nil:
		return fmt.Errorf("read sealed file %s: %w", path, err)
	case gotSize != size:
		return &CorruptError{File: path, Err: fmt.Errorf("%d bytes, %d at the clean close", gotSize, size)}
	case gotHash != hash:
		return &CorruptError{File: path, Err: errors.New("content changed since the clean close")}
	}
	return nil
}

// breakSeal removes the seal durably.
func breakSeal(fs vfs.FS, dir string) error {
	err := fs.Remove(fs.PathJoin(dir, sealName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncDir(fs, dir)
	}
	if err != nil {
		return fmt.Errorf("break seal of %s: %w", dir, err)
	}
	return nil
}
