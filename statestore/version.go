package statestore

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Format is the newest format of a state directory that this program reads, and the one that it
// writes. It grows when an older program could misread what a newer one wrote.
const Format = 1

// VERSION is read before anything else of a state and written before anything else is made. Its
// first line and its last, the checksum, are the same in every format, so that each program can
// tell a newer state from a damaged one:
//
//	freshet state format 1
//	made complete
//	checksum 0123456789abcdef
//
// "made partly" stands there until all of a new state has been made once: only then may a missing
// database be made again rather than missed.
const (
	versionName  = "VERSION"
	versionTitle = "freshet state format "
	madePartly   = "made partly\n"
	madeComplete = "made complete\n"
)

func writeVersion(fs vfs.FS, dir string, made string) error {
	text := appendChecksum(fmt.Appendf(nil, "%s%d\n%s", versionTitle, Format, made))
	if err := writeFile(fs, fs.PathJoin(dir, versionName), text); err != nil {
		return fmt.Errorf("write %s: %w", versionName, err)
	}
	return nil
}

// readVersion reads VERSION and reports whether there is one and whether the state is complete.
func readVersion(fs vfs.FS, dir string) (found, complete bool, err error) {
	path := fs.PathJoin(dir, versionName)
	data, err := readFile(fs, path)
	if errors.Is(err, os.ErrNotExist) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("read %s: %w", versionName, err)
	}
	complete, err = parseVersion(path, data)
	return true, complete, err
}

func parseVersion(path string, data []byte) (complete bool, err error) {
	text, err := cutChecksum(data)
	if err != nil {
		return false, &CorruptError{File: path, Err: err}
	}
	var format uint64
	if _, err := fmt.Sscanf(string(text), versionTitle+"%d\n", &format); err != nil {
		return false, &CorruptError{File: path, Err: fmt.Errorf("read first line: %w", err)}
	}
	if format > Format {
		return false, &VersionError{Path: path, Found: format, Supported: Format}
	}
	title := fmt.Sprintf("%s%d\n", versionTitle, format)
	switch string(text) {
	case title + madeComplete:
		return true, nil
	case title + madePartly:
		return false, nil
	}
	return false, &CorruptError{File: path, Err: errors.New("unknown content")}
}
