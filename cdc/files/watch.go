package files

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/fsnotify/fsnotify"
)

// A path is looked at when no notice of it has come for quietTime, at the latest patience after the
// first: an editor's steps are taken as one, and a file that is written for ever is seen all the same.
// What becomes due within slack is taken along, so that both ends of a rename come together.
const (
	quietTime = 8 * time.Millisecond
	patience  = 100 * time.Millisecond
	slack     = 2 * time.Millisecond
)

// maxDirty bounds the paths that wait to be looked at (I9). Beyond it, as when the system's own queue
// overflows, they give way to one new pass.
const maxDirty = 1 << 15

// watch collects the system's notices of a folder. Its directories belong to the goroutine that looks
// at them, the marks to both it and the collector.
type watch struct {
	notices *fsnotify.Watcher
	base    string // absolute path of the folder
	dirs    *branch
	wake    chan struct{} // capacity 1: there are new marks

	mu    sync.Mutex
	dirty map[string]*mark
	lost  error // notices were lost, and why
}

// mark is a path with unseen notices.
type mark struct {
	first, last time.Time
	stale       bool // something was put here or taken away since watches here were dropped last
	tree        bool // watches were dropped here: a directory stood here
}

// branch is a directory that was looked at.
type branch struct{ below map[string]*branch }

func newWatch(folder string) (*watch, error) {
	base, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("find folder %s: %w", folder, err)
	}
	notices, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, limited(err)
	}
	return &watch{notices: notices, base: base, dirs: &branch{}, wake: make(chan struct{}, 1),
		dirty: make(map[string]*mark)}, nil
}

// errWatchLimit is wrapped by errors that say that no more directories can be watched.
var errWatchLimit = errors.New("the system's limit on watches is reached")

// limited turns the limits of inotify into advice.
func limited(err error) error {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EMFILE) {
		return err
	}
	return &cdc.SourceError{
		Code: "watch_limit",
		Err:  fmt.Errorf("watch folder: %w (%w): changes are found by comparing only", errWatchLimit, err),
		Hint: "raise the limits (sysctl fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=1024), " +
			"exclude directories, or set poll: 10s to do without",
	}
}

// run collects notices until ctx ends. It does nothing else, so that the system's queue is drained
// while a batch waits for credit.
func (w *watch) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.notices.Events:
			w.notice(e, time.Now())
		case err := <-w.notices.Errors:
			w.lose(fmt.Errorf("watch folder: %w", err))
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

func (w *watch) notice(e fsnotify.Event, now time.Time) {
	rel := strings.TrimLeft(strings.TrimPrefix(e.Name, w.base), "/")
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.dirty[rel]
	if m == nil {
		if w.lost != nil {
			return // a pass will look at everything
		}
		if len(w.dirty) == maxDirty {
			w.loseLocked(fmt.Errorf("watch folder: more than %d paths changed while no change could be put", maxDirty))
			return
		}
		m = &mark{first: now}
		w.dirty[rel] = m
	}
	m.last = now
	if e.Op.Has(fsnotify.Create) || e.Op.Has(fsnotify.Remove) || e.Op.Has(fsnotify.Rename) {
		m.stale = true
	}
}

func (w *watch) lose(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loseLocked(err)
}

func (w *watch) loseLocked(err error) {
	w.lost = err
	clear(w.dirty)
}

// dirtyPath is a path to look at.
type dirtyPath struct {
	rel  string
	tree bool // a directory stood here that was moved or removed
}

// take removes the paths that are due. wait is the time until the next one is, 0 when none is left.
// The error says that notices were lost. Where paths are due, the watches of all that moved are
// dropped, due or not, before one is set again: a directory keeps its watches when it moves, under its
// old name, and dropping that name later would take the watches that were set under the new one.
func (w *watch) take(now time.Time) (due []dirtyPath, wait time.Duration, err error) {
	stale, wait, err := w.ripe(now)
	if wait > 0 || err != nil {
		return nil, wait, err
	}
	// Not under the lock: the watcher may be waiting for the collector, and that for the lock.
	trees := make(map[string]bool)
	for _, rel := range stale {
		trees[rel] = w.drop(rel)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for rel, m := range w.dirty {
		m.tree = m.tree || trees[rel]
		if m.left(now) <= slack && !m.stale {
			due = append(due, dirtyPath{rel: rel, tree: m.tree})
			delete(w.dirty, rel)
		}
	}
	if len(w.dirty) > 0 {
		wait = slack
	}
	return due, wait, w.lost
}

// ripe gives the time until a path is due and, when one is, all paths whose watches are stale.
func (w *watch) ripe(now time.Time) (stale []string, wait time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost != nil || len(w.dirty) == 0 {
		return nil, 0, w.lost
	}
	wait = patience
	for _, m := range w.dirty {
		wait = min(wait, m.left(now))
	}
	if wait > 0 {
		return nil, wait, nil
	}
	for rel, m := range w.dirty {
		if m.stale {
			m.stale = false
			stale = append(stale, rel)
		}
	}
	return stale, 0, nil
}

// left is the time until the path is due.
func (m *mark) left(now time.Time) time.Duration {
	return min(m.last.Add(quietTime).Sub(now), m.first.Add(patience).Sub(now))
}

// add watches a directory; errors are those of the directory, or wrap errWatchLimit.
func (w *watch) add(rel string) error {
	w.dirs.grow(rel)
	err := w.notices.Add(filepath.Join(w.base, rel))
	if errors.Is(err, fsnotify.ErrClosed) {
		return nil
	}
	return limited(err)
}

// drop ends the watches of a directory and of all below it, and reports whether there were any. A
// watch follows its directory when that moves, under the old name; only a new watch says the new one.
func (w *watch) drop(rel string) bool {
	cut := w.dirs.cut(rel)
	if cut == nil {
		return false
	}
	cut.each(rel, func(rel string) {
		// It fails for directories that are gone, whose watches went with them.
		_ = w.notices.Remove(filepath.Join(w.base, rel))
	})
	return true
}

// close ends the notices.
func (w *watch) close() error { return w.notices.Close() }

// grow adds the directory at rel.
func (b *branch) grow(rel string) {
	for name := range strings.SplitSeq(rel, "/") {
		if name == "" {
			continue
		}
		next := b.below[name]
		if next == nil {
			if b.below == nil {
				b.below = make(map[string]*branch)
			}
			next = &branch{}
			b.below[name] = next
		}
		b = next
	}
}

// cut takes the directory at rel out with all below it; nil when it is not there.
func (b *branch) cut(rel string) *branch {
	dir, base := "", rel
	if i := strings.LastIndexByte(rel, '/'); i >= 0 {
		dir, base = rel[:i], rel[i+1:]
	}
	for name := range strings.SplitSeq(dir, "/") {
		if name == "" {
			continue
		}
		if b = b.below[name]; b == nil {
			return nil
		}
	}
	found := b.below[base]
	delete(b.below, base)
	return found
}

// each calls fn for the directory and all below it.
func (b *branch) each(rel string, fn func(rel string)) {
	fn(rel)
	for name, next := range b.below {
		next.each(rel+"/"+name, fn)
	}
}
