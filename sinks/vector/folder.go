package vector

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// makeDir makes dir, readable by its owner only, and every missing directory above it, and makes their entries
// durable: rows that were synced are worth nothing in a directory that a power failure forgets.
func makeDir(fsys vfs.FS, dir string) error {
	missing := []string{dir} // its own entry is synced in any case: an earlier open may have died in between
	for {
		last := missing[len(missing)-1]
		up := fsys.PathDir(last)
		if up == last {
			break
		}
		if _, err := fsys.Stat(up); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("make directory %s: %w", dir, err)
		}
		missing = append(missing, up)
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory %s: %w", dir, err)
	}
	for _, d := range missing {
		if err := syncDir(fsys, fsys.PathDir(d)); err != nil {
			return fmt.Errorf("make directory %s: %w", dir, err)
		}
	}
	return nil
}

// syncDir makes the entries of a directory durable.
func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return closeAfter(d, d.Sync())
}
