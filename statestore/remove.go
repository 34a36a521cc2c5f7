package statestore

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/internal/realpath"
)

// Remove removes the state in dir with all that it holds, damaged or not: a state that cannot be opened has to be one that can be
// dropped. It refuses, before it touches anything, one that is in use ([InUseError]) or newer ([VersionError]).
func Remove(dir string) error {
	fs, dir := vfs.Default, realpath.Of(dir)
	lock, err := lockDir(fs, dir)
	if err != nil {
		return err
	}
	if _, _, err = readVersion(fs, dir); IsCorrupt(err) {
		err = nil
	}
	if err == nil {
		err = fs.RemoveAll(dir)
	}
	if err = errors.Join(err, lock.Close()); err != nil {
		return fmt.Errorf("remove the state %s: %w", dir, err)
	}
	return nil
}

// Free is an [InUseError] where a process has the state in dir open, also one that is damaged.
func Free(dir string) error {
	lock, err := lockDir(vfs.Default, realpath.Of(dir))
	if err != nil {
		return err
	}
	return lock.Close()
}
