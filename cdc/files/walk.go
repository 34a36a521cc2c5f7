package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// walker goes through the files below a directory in byte order of their paths, as the ledger has
// their keys. Errors of its functions end the walk.
type walker struct {
	filter  *filter
	enter   func(rel string) error                     // before a directory is listed; may be nil
	file    func(dir *os.Root, base, rel string) error // a regular file that the globs keep
	blocked func(rel string, err error) error          // a directory that cannot be listed
}

// maxDepth bounds the directories that are open at a time, one per level.
const maxDepth = 256

// walk visits the directory at rel, which is empty or ends with a slash.
func (w *walker) walk(ctx context.Context, dir *os.Root, rel string, depth int) error {
	if depth > maxDepth {
		return w.blocked(strings.TrimSuffix(rel, "/"), fmt.Errorf("more than %d directories within each other", maxDepth))
	}
	if w.enter != nil {
		if err := w.enter(strings.TrimSuffix(rel, "/")); err != nil {
			return w.sort(rel, err)
		}
	}
	names, err := list(dir)
	if err != nil {
		return w.sort(rel, err)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.step(ctx, dir, rel, name, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) step(ctx context.Context, dir *os.Root, rel, name string, depth int) error {
	base, isDir := strings.CutSuffix(name, "/")
	if !isDir {
		if w.filter.keeps(rel + name) {
			return w.file(dir, base, rel+name)
		}
		return nil
	}
	if !w.filter.enters(rel + base) {
		return nil
	}
	below, err := openDir(dir, base)
	if err != nil {
		return w.sort(rel+name, err)
	}
	defer below.Close()
	return w.walk(ctx, below, rel+name, depth+1)
}

// sort tells directories that have gone meanwhile, which are no fault, from those that are blocked and
// from faults that are not theirs.
func (w *walker) sort(rel string, err error) error {
	switch {
	case errors.Is(err, errAbsent):
		return nil
	case exhausted(err), errors.Is(err, errWatchLimit):
		return err
	}
	return w.blocked(strings.TrimSuffix(rel, "/"), err)
}

// openDir opens a directory that is one itself, not a link to one.
func openDir(dir *os.Root, base string) (*os.Root, error) {
	seen, err := dir.Lstat(base)
	if err != nil {
		return nil, absentOr(err)
	}
	if !seen.IsDir() {
		return nil, errAbsent
	}
	below, err := dir.OpenRoot(base)
	if err != nil {
		return nil, absentOr(err)
	}
	opened, err := below.Stat(".")
	if err == nil && !os.SameFile(seen, opened) {
		err = errAbsent // replaced meanwhile
	}
	if err != nil {
		below.Close()
		return nil, absentOr(err)
	}
	return below, nil
}

// listChunk is how many entries are asked for at a time, so that what is left out costs no memory.
const listChunk = 1024

// list gives the regular files and the directories of a directory, these with a slash behind, in the
// byte order of the paths below it.
func list(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, absentOr(err)
	}
	defer f.Close()
	var names []string
	for {
		entries, err := f.ReadDir(listChunk)
		for _, e := range entries {
			switch {
			case e.IsDir():
				names = append(names, e.Name()+"/")
			case e.Type().IsRegular():
				names = append(names, e.Name())
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, absentOr(err)
		}
	}
	slices.Sort(names)
	return names, nil
}

// listable reports whether a directory can be listed.
func listable(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err = f.ReadDir(1); err == io.EOF {
		return nil
	}
	return err
}
