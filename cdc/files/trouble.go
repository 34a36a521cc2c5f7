package files

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/freshet/freshet/cdc"
)

// setback is a fault that ends the work on an opened folder, but not the run: it is told as a problem,
// and after a pause the folder is opened again.
type setback struct {
	err   error
	pause time.Duration
}

func (s *setback) Error() string { return s.err.Error() }
func (s *setback) Unwrap() error { return s.err }

// Pauses before the folder is opened again.
const (
	folderPause = 500 * time.Millisecond // it is missing
	busyPause   = time.Second            // the process has no descriptors or memory left
)

// troubles are what hinders the source while it goes on.
type troubles struct {
	setback error
	limit   error            // on watches
	guard   error            // a pass would delete too much
	blocked map[string]error // directories that cannot be read
	shown   string
}

// maxBlocked bounds the directories that are remembered; one is named, the others are counted.
const maxBlocked = 1000

func (t *troubles) block(rel string, err error) {
	if t.blocked == nil {
		t.blocked = make(map[string]error)
	}
	if _, ok := t.blocked[rel]; ok || len(t.blocked) < maxBlocked {
		t.blocked[rel] = cause(err)
	}
}

// free forgets the directories at and below rel: they are about to be looked at.
func (t *troubles) free(rel string) {
	for dir := range t.blocked {
		if rel == "" || within(dir, rel) {
			delete(t.blocked, dir)
		}
	}
}

// tell shows the troubles where they changed, and reports whether they did.
func (t *troubles) tell(out cdc.Inlet) (changed bool) {
	err := errors.Join(t.setback, t.limit, t.guard, t.unread())
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == t.shown {
		return false
	}
	t.shown = text
	out.Problem(err)
	return true
}

func (t *troubles) unread() error {
	if len(t.blocked) == 0 {
		return nil
	}
	first := slices.Min(slices.Collect(maps.Keys(t.blocked)))
	others := ""
	if n := len(t.blocked) - 1; n > 0 {
		others = fmt.Sprintf(" (and %d more)", n)
	}
	return &cdc.SourceError{
		Code: "path_unreadable",
		Err:  fmt.Errorf("read directory %s%s: %w; what is known of its files is kept", first, others, t.blocked[first]),
		Hint: "give the process the right to read and search the directory, or exclude it",
	}
}
