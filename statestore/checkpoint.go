package statestore

import (
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// checkpoint copies the database as it is now to dir, which must not exist; tables are linked
// where the file system can. The copy is opened, checked and read whole before checkpoint returns,
// since Pebble copies a damaged table without a word; a copy that fails is removed again. It is
// sealed like a database that was closed.
func (s *Store) checkpoint(dir string) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.gate.leave()
	if _, err := s.fs.Stat(dir); err == nil {
		return fmt.Errorf("checkpoint to %s: %w", dir, os.ErrExist)
	}
	err := s.db.Checkpoint(dir, pebble.WithFlushedWAL())
	if err == nil {
		err = s.verify(dir)
	}
	if err == nil {
		err = seal(s.fs, dir)
	}
	if err == nil {
		return nil
	}
	if removed := s.fs.RemoveAll(dir); removed != nil && !errors.Is(removed, os.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	if IsCorrupt(err) {
		// The copy is gone: named is the file that it was made from, mostly by a link.
		found := asDamage(s.fs, s.dir, err)
		found = &CorruptError{File: s.fs.PathJoin(s.dir, s.fs.PathBase(found.File)), Err: fmt.Errorf("in its copy: %w", found.Err)}
		s.log.log.Error("state is damaged", "file", found.File, "err", found.Err)
		return fmt.Errorf("checkpoint %s: %w", s.dir, found)
	}
	return fmt.Errorf("checkpoint %s: %w", s.dir, err)
}

// verify opens the database in dir read-only and reads all of it.
func (s *Store) verify(dir string) error {
	c, err := OpenStore(dir, Options{
		FS: s.fs, MemoryBytes: leastMemory, Fatal: s.log.fatal, // without a logger: what is found is told of this store
		ReadOnly: true, OpaqueKeys: s.opaque,
	})
	if err != nil {
		return err
	}
	return errors.Join(c.readAll(), c.Close())
}

// readAll reads every entry of the store and checks that its levels agree. It takes as long as
// reading all files does.
func (s *Store) readAll() error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.gate.leave()
	if err := s.db.CheckLevels(nil); err != nil {
		return s.failed("verify", err)
	}
	return s.Scan(nil, nil, func(_, _ []byte) error { return nil })
}

// Checkpoint copies the state to dir, which must not exist: first State, then Memo, so that the
// copy of the memo holds all that the copy of the state refers to; then the spills; VERSION
// last, without which a copy that was cut short is refused. Indexes are not copied: their sinks
// fill them again. Both databases are verified, and a copy that fails is removed again. Of a state
// that is opened read-only the files are copied: that is how a checkpoint is put back.
func (db *DB) Checkpoint(dir string) error {
	if _, err := db.fs.Stat(dir); err == nil {
		return fmt.Errorf("checkpoint to %s: %w", dir, os.ErrExist)
	}
	if err := db.checkpoint(dir); err != nil {
		if removed := db.fs.RemoveAll(dir); removed != nil && !errors.Is(removed, os.ErrNotExist) {
			err = errors.Join(err, removed)
		}
		return err
	}
	return nil
}

func (db *DB) checkpoint(dir string) error {
	if err := makeDir(db.fs, dir); err != nil {
		return fmt.Errorf("make directory %s: %w", dir, err)
	}
	// Whatever the copy of the state refers to stays until it is linked.
	db.spills.pinned.Lock()
	defer db.spills.pinned.Unlock()
	if db.readOnly {
		return db.copyFiles(dir)
	}
	if err := db.State.checkpoint(db.fs.PathJoin(dir, stateDir)); err != nil {
		return err
	}
	if err := db.Memo.store.checkpoint(db.fs.PathJoin(dir, memoDir)); err != nil {
		return err
	}
	if err := db.linkSpills(db.fs.PathJoin(dir, spillDir)); err != nil {
		return fmt.Errorf("checkpoint spills: %w", err)
	}
	return writeVersion(db.fs, dir)
}

func (db *DB) linkSpills(dir string) error {
	ids, err := db.Spills()
	if err != nil || len(ids) == 0 {
		return err
	}
	if err := makeDir(db.fs, dir); err != nil {
		return err
	}
	for _, id := range ids {
		from := db.spillPath(id)
		if err := vfs.LinkOrCopy(db.fs, from, db.fs.PathJoin(dir, db.fs.PathBase(from))); err != nil {
			return err
		}
	}
	return syncDir(db.fs, dir)
}

// copyFiles copies a state that nobody writes to, after it was verified.
func (db *DB) copyFiles(dir string) error {
	if err := errors.Join(db.State.readAll(), db.Memo.store.readAll()); err != nil {
		return fmt.Errorf("checkpoint %s: %w", db.dir, err)
	}
	for _, part := range []string{stateDir, memoDir, spillDir} {
		if err := copyPart(db.fs, db.path(part), db.fs.PathJoin(dir, part)); err != nil && !(part == spillDir && errors.Is(err, os.ErrNotExist)) {
			return fmt.Errorf("checkpoint %s: %w", part, err)
		}
	}
	return writeVersion(db.fs, dir)
}

// copyPart copies the files of a folder. What holds rows is never written again, so that it may be linked.
func copyPart(fs vfs.FS, from, to string) error {
	names, err := fs.List(from)
	if err != nil {
		return err
	}
	if err := makeDir(fs, to); err != nil {
		return err
	}
	for _, name := range names {
		if name == lockName {
			continue
		}
		put := vfs.Copy
		if holdsRows(name) {
			put = vfs.LinkOrCopy
		}
		if err := put(fs, fs.PathJoin(from, name), fs.PathJoin(to, name)); err != nil {
			return err
		}
	}
	return syncDir(fs, to)
}
