package statestore

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Format is the newest format of a state directory that this program reads, and the one that it
// writes. It grows when an older program could misread what a newer one wrote.
const Format = 1

// VERSION holds the number of the format as text, nothing else, so that every program can tell a
// newer state from one that it reads. It is read before anything else of a state and written before
// any database is made. MAKING stands beside it until all of a new state has been made once: only
// then may a missing database be made again rather than missed.
const (
	versionName = "VERSION"
	makingName  = "MAKING"
)

// beginVersion marks a directory as a state in the making.
func beginVersion(fs vfs.FS, dir string) error {
	if err := writeFile(fs, fs.PathJoin(dir, makingName), nil); err != nil {
		return fmt.Errorf("write %s: %w", makingName, err)
	}
	return writeVersion(fs, dir)
}

// endVersion says that the state has been made.
func endVersion(fs vfs.FS, dir string) error {
	if err := fs.Remove(fs.PathJoin(dir, makingName)); err != nil {
		return fmt.Errorf("remove %s: %w", makingName, err)
	}
	return syncDir(fs, dir)
}

func writeVersion(fs vfs.FS, dir string) error {
	if err := writeFile(fs, fs.PathJoin(dir, versionName), fmt.Appendf(nil, "%d\n", Format)); err != nil {
		return fmt.Errorf("write %s: %w", versionName, err)
	}
	return nil
}

// readVersion reads VERSION and reports whether there is one, and whether the state is complete.
func readVersion(fs vfs.FS, dir string) (found, complete bool, err error) {
	_, err = fs.Stat(fs.PathJoin(dir, makingName))
	making := err == nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, false, fmt.Errorf("look for %s: %w", makingName, err)
	}
	path := fs.PathJoin(dir, versionName)
	data, err := readFile(fs, path)
	if errors.Is(err, os.ErrNotExist) {
		return making, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("read %s: %w", versionName, err)
	}
	if err := parseVersion(path, data); err != nil {
		return true, false, err
	}
	return true, !making, nil
}

func parseVersion(path string, data []byte) error {
	text, ended := strings.CutSuffix(string(data), "\n")
	format, err := strconv.ParseUint(text, 10, 64)
	if format > Format && (err == nil || errors.Is(err, strconv.ErrRange)) {
		// Whichever line end a later format has, what it names is none that this program reads.
		return &VersionError{Path: path, Found: format, Supported: Format}
	}
	if err != nil || !ended || text[0] == '0' || text[0] == '+' {
		return &CorruptError{File: path, Err: errors.New("it does not hold the number of a format")}
	}
	return nil
}
