package files

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"
)

// live looks at the paths that notices told of and that are due; wait is the time until more are.
func (r *run) live(ctx context.Context) (wait time.Duration, err error) {
	r.looked = time.Now()
	due, wait, err := r.watch.take(r.looked)
	if err != nil {
		return 0, &setback{err: err}
	}
	if len(due) == 0 {
		return wait, nil
	}
	// A folder that was moved away or unmounted is not one whose files were deleted.
	if err := r.present(); err != nil {
		return 0, err
	}
	r.busy = true
	defer func() { r.busy = false }()
	defer r.places.close()
	slices.SortFunc(due, func(a, b dirtyPath) int { return strings.Compare(a.rel, b.rel) })
	trees, gone, err := r.sort(due)
	if err != nil {
		return 0, err
	}
	if due, err = r.renames(ctx, due, gone); err != nil {
		return 0, err
	}
	for _, d := range due {
		if err := r.look(ctx, d.rel, how{}); err != nil {
			return 0, err
		}
	}
	for _, rel := range trees {
		if err := r.tree(ctx, rel); err != nil {
			return 0, err
		}
	}
	if err := r.packer.Flush(ctx); err != nil {
		return 0, err
	}
	r.troubles.tell(r.out)
	return wait, nil
}

// sort finds the directories among the paths, and by inode the names of known files that are gone.
func (r *run) sort(due []dirtyPath) (trees []string, gone map[uint64]string, err error) {
	gone = make(map[uint64]string)
	for _, d := range due {
		if d.rel == "" {
			continue // the folder itself: present looks after it
		}
		info, err := r.stat(d.rel)
		if d.tree || err == nil && info.IsDir() && r.source.filter.enters(d.rel) {
			trees = append(trees, d.rel)
		}
		if err == nil || !errors.Is(err, errAbsent) {
			continue // what hinders shows when it is looked at
		}
		name := nameOf(d.rel)
		n, known, err := r.known.Note(name)
		if err != nil {
			return nil, nil, err
		}
		if known && n.inode != 0 {
			gone[n.inode] = name
		}
	}
	return trees, gone, nil
}

func (r *run) stat(rel string) (os.FileInfo, error) {
	dir, base, err := r.places.parent(rel)
	if err != nil {
		return nil, err
	}
	info, err := dir.Lstat(base)
	if err != nil {
		return nil, absentOr(err)
	}
	return info, nil
}

// renames puts the files that had the inode of one that is gone, each together with the delete under
// its old name, and returns the other paths.
func (r *run) renames(ctx context.Context, due []dirtyPath, gone map[uint64]string) (rest []dirtyPath, err error) {
	for _, d := range due {
		old, inode := "", uint64(0)
		if len(gone) > 0 && r.source.filter.keeps(d.rel) {
			if info, err := r.stat(d.rel); err == nil && info.Mode().IsRegular() {
				_, inode = identity(info)
				old = gone[inode]
			}
		}
		if old == "" {
			rest = append(rest, d)
			continue
		}
		delete(gone, inode)
		if err := r.look(ctx, d.rel, how{replaces: old}); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// tree compares a directory that came, went, or changed its rights.
func (r *run) tree(ctx context.Context, rel string) error {
	dir, base, err := r.places.parent(rel)
	if err == nil {
		below, e := openDir(dir, base)
		if e == nil {
			defer below.Close()
			r.places.close()
			return r.compare(ctx, below, rel+"/", how{})
		}
		err = e
	}
	r.places.close()
	switch {
	case errors.Is(err, errAbsent):
		return r.compare(ctx, nil, rel+"/", how{})
	case exhausted(err):
		return err
	}
	r.troubles.block(rel, err)
	return nil
}

// lookEvery is how often a pass turns to the notices.
const lookEvery = 5 * time.Millisecond

// breathe is called between two files of a pass: changes that have waited are put, and notices looked
// at, so that they do not wait for the end of a long pass.
func (r *run) breathe(ctx context.Context, whole bool) error {
	now := time.Now()
	if r.packer.Due() {
		if err := r.packer.Flush(ctx); err != nil {
			return err
		}
	}
	if !whole || r.busy || r.watch == nil || now.Sub(r.looked) < lookEvery {
		return nil
	}
	_, err := r.live(ctx)
	return err
}
