package vector

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// firstEpoch is when the rows that an open finds are born.
const firstEpoch = 1

// storeFS returns what the store is given: nil where it is the operating system's file system, which the store then
// watches for slow writes.
func storeFS(o Options) vfs.FS {
	if o.FS == vfs.Default {
		return nil
	}
	return o.FS
}

// load fills memory: from the codes snapshot and the log since, or else from the whole truth.
func (x *Index) load() error {
	if err := x.loadConfig(); err != nil {
		return err
	}
	value, ok, err := x.store.Get(progressKey)
	if err != nil {
		return fmt.Errorf("read index progress: %w", err)
	}
	if !ok {
		return x.corrupt("read index progress", errors.New("index progress is missing"))
	}
	if x.progress, err = decodeProgress(value); err != nil {
		return x.corrupt("read index progress", err)
	}
	switch ok, err := x.loadSnapshot(); {
	case err != nil:
		return err
	case ok:
		return nil
	}
	return x.loadTruth()
}

// loadSnapshot reports whether memory could be filled from the snapshot.
func (x *Index) loadSnapshot() (bool, error) {
	snap, err := x.readSnapshot()
	if err == nil && (snap.sequence > x.progress.sequence || snap.sequence+1 < x.progress.logFrom) {
		err = errForeign
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		// I10: said, and repaired from the truth; the next snapshot replaces it.
		x.opts.Logger.Warn("ignoring codes snapshot; reading all rows instead", "index", x.dir, "cause", err)
		return false, nil
	}
	x.space = snap.space
	x.saved = snap.sequence
	if err := x.loadTail(snap.sequence); err != nil {
		return false, err
	}
	if uint64(x.space.rows) != x.progress.rows {
		x.opts.Logger.Warn("ignoring codes snapshot; reading all rows instead", "index", x.dir,
			"cause", "number of rows differs", "got", x.space.rows, "want", x.progress.rows)
		x.space = newSpace(x.enc)
		return false, nil
	}
	return true, nil
}

// loadTail brings memory from the sequence of a snapshot up to the truth.
func (x *Index) loadTail(sequence uint64) error {
	var keys [][]byte
	_, to := span(logTable)
	err := x.store.Scan(sequenceKey(logTable, sequence+1), to, func(_, value []byte) error {
		for rest := value; len(rest) > 0; {
			key, after, err := cutKeyed(rest)
			if err != nil {
				return x.corrupt("read log of vector index", err)
			}
			keys = append(keys, rowKey(nil, string(key)))
			rest = after
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read log of vector index: %w", err)
	}
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	x.changed = uint64(len(keys))
	newest := x.space.layout.newest()
	var assign assignScratch
	return x.store.GetSorted(keys, func(i int, value []byte, ok bool) error {
		key := string(keys[i][1:])
		if _, live := x.space.find(hashKey(key), key); live {
			x.space.remove(hashKey(key), key, firstEpoch)
		}
		if !ok {
			return nil // a tombstone that was swept since
		}
		r, err := decodeRecord(value, x.enc.codeBytes())
		if err != nil {
			return x.corrupt("read row", fmt.Errorf("row %q: %w", key, err))
		}
		if r.live {
			info := rowInfo{key: key, version: r.version, terms: x.space.terms.intern(r.terms)}
			x.space.insert(newest.lists[newest.nearest(x.enc, r.row, &assign)], r.row, info, firstEpoch)
		}
		return nil
	})
}

// loadTruth fills memory from every row.
func (x *Index) loadTruth() error {
	x.space.table.reserve(int(x.progress.rows))
	flat := x.space.layout.newest().lists[0]
	tombstones := uint64(0)
	from, to := span(rowTable)
	err := x.store.Scan(from, to, func(key, value []byte) error {
		r, err := decodeRecord(value, x.enc.codeBytes())
		if err != nil {
			return x.corrupt("read row", fmt.Errorf("row %q: %w", key[1:], err))
		}
		if !r.live {
			tombstones++
			return nil
		}
		info := rowInfo{key: string(key[1:]), version: r.version, terms: x.space.terms.intern(r.terms)}
		x.space.insert(flat, r.row, info, firstEpoch)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read rows of vector index: %w", err)
	}
	// I10: rows that vanished are damage, not an empty result.
	if uint64(x.space.rows) != x.progress.rows || tombstones != x.progress.tombstones {
		return x.corrupt("read rows of vector index", fmt.Errorf("found %d rows and %d tombstones, want %d and %d",
			x.space.rows, tombstones, x.progress.rows, x.progress.tombstones))
	}
	x.changed = uint64(x.space.rows)
	return nil
}
