package files

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"github.com/freshet/freshet/cdc"
	"github.com/zeebo/xxh3"
)

// guardFiles is the number of known files from which the guard works: a handful may well go at once.
const guardFiles = 20

// guard refuses the deletes of a pass over the folder that finds most of it gone, which is a disk that
// is not mounted or a path that points elsewhere rather than somebody's wish (I10).
func (p *pass) guard(ctx context.Context, dir *os.Root) error {
	r := p.run
	if !p.whole {
		return nil // told by notices
	}
	r.troubles.guard = nil
	allowed := int(r.source.options.MaxDelete * float64(p.known))
	if p.known < guardFiles || p.gone <= allowed || (r.source.options.AcceptDeletes || r.start.AcceptDeletes) && !r.caught {
		return nil
	}
	moved, err := p.moved(ctx, dir)
	if err != nil {
		return err
	}
	if p.gone-moved <= allowed {
		return nil
	}
	return &cdc.SourceError{
		Code: "data_guard",
		Err: fmt.Errorf("compare folder %s: %d of %d known files are gone, such as %q; none is deleted: %w",
			r.source.options.Path, p.gone-moved, p.known, p.lost[0], cdc.ErrGap),
		Hint: "check that the right folder is mounted; if the files are meant to go: " +
			"`freshet reset <flow> --source NAME --accept-deletes --yes`",
	}
}

// moved counts the gone files that stand elsewhere in the folder: a directory was renamed.
func (p *pass) moved(ctx context.Context, dir *os.Root) (int, error) {
	slices.Sort(p.prints)
	found := make([]bool, len(p.prints))
	count := 0
	w := walker{filter: &p.run.source.filter,
		blocked: func(string, error) error { return nil },
		file: func(dir *os.Root, base, _ string) error {
			info, err := dir.Lstat(base)
			if err != nil {
				return nil // it counts as gone
			}
			if i, ok := slices.BinarySearch(p.prints, stampOf(info).print()); ok && !found[i] {
				found[i] = true
				count++
			}
			return nil
		}}
	err := w.walk(ctx, dir, "", 0)
	return count, err
}

// print is a hash of what a rename leaves as it is.
func (s stamp) print() uint64 {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:], s.inode)
	binary.LittleEndian.PutUint64(b[8:], uint64(s.size))
	binary.LittleEndian.PutUint64(b[16:], uint64(s.mtime))
	return xxh3.Hash(b[:])
}
