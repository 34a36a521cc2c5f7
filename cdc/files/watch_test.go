package files

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/internal/blob"
	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"
)

func TestMarksBecomeDueWhenTheyRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watch{base: "/docs", dirs: &branch{}, dirty: make(map[string]*mark)}
		start := time.Now()
		var took []string
		look := func() time.Duration {
			due, wait, err := w.take(time.Now())
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(due, func(a, b dirtyPath) int { return len(a.rel) - len(b.rel) })
			for _, d := range due {
				took = append(took, fmt.Sprintf("%v %s", time.Since(start), d.rel))
			}
			return wait
		}
		notice := func(name string, op fsnotify.Op) { w.notice(fsnotify.Event{Name: name, Op: op}, time.Now()) }

		if wait := look(); wait != 0 {
			t.Errorf("an empty set waits %v", wait)
		}
		notice("/docs/once", fsnotify.Create)
		if wait := look(); wait != quietTime {
			t.Errorf("a fresh mark waits %v", wait)
		}
		// The other end of a rename comes a little later, and is taken along.
		time.Sleep(slack / 2)
		notice("/docs/d/twice", fsnotify.Write)
		time.Sleep(look())
		look()
		// A file that is written for ever becomes due all the same.
		for range 30 {
			notice("/docs/often/written", fsnotify.Write)
			time.Sleep(5 * time.Millisecond)
			look()
		}
		want := []string{"8ms once", "8ms d/twice", "108ms often/written"}
		if diff := cmp.Diff(want, took); diff != "" {
			t.Error(diff)
		}
	})
}

// I9: the set of paths is bounded, and what it cannot hold is not lost in silence.
func TestTooManyMarksAskForAPass(t *testing.T) {
	w := &watch{base: "/docs", dirs: &branch{}, dirty: make(map[string]*mark)}
	for i := range maxDirty + 1 {
		if w.lost != nil {
			t.Fatalf("after %d marks: %v", i, w.lost)
		}
		w.notice(fsnotify.Event{Name: fmt.Sprintf("/docs/%d", i), Op: fsnotify.Create}, time.Now())
	}
	if _, _, err := w.take(time.Now()); err == nil || len(w.dirty) > 0 {
		t.Errorf("%d marks, error %v", len(w.dirty), err)
	}
}

func TestBranchesKnowWhatLiesBelow(t *testing.T) {
	b := &branch{}
	for _, rel := range []string{"", "a/b/c", "a/b/d", "a", "ab"} {
		b.grow(rel)
	}
	var cut []string
	b.cut("a/b").each("a/b", func(rel string) { cut = append(cut, rel) })
	slices.Sort(cut)
	if diff := cmp.Diff([]string{"a/b", "a/b/c", "a/b/d"}, cut); diff != "" {
		t.Error(diff)
	}
	if b.cut("a/b") != nil || b.cut("x/y/z") != nil || b.cut("ab") == nil || b.cut("a") == nil {
		t.Error("what is cut stays, or what is not goes")
	}
}

// service runs a source whose parts the test can reach.
type service struct {
	r     *run
	in    *cdctest.Inlet
	dir   string
	write func(rel, text string)
}

func serve(t *testing.T, o Options, prepare func(*run)) *service {
	t.Helper()
	s := &service{in: cdctest.NewInlet(), dir: t.TempDir()}
	o.Path = s.dir
	source, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if s.r, err = newRun(source, s.in.Start(), s.in); err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(s.r)
	}
	s.write = func(rel, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.dir, rel), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	ended := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { ended <- s.r.loop(ctx) })
	t.Cleanup(running.Wait)
	t.Cleanup(func() {
		if err := <-ended; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	s.wait(t, "caught up", func() bool { return s.in.Caught() > 0 })
	return s
}

func (s *service) wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	if err := s.in.Wait(t.Context(), what, done); err != nil {
		t.Fatal(err)
	}
}

func (s *service) has(rel, text string) func() bool {
	return func() bool {
		row, ok := s.in.Rows()["0/"+rel]
		return ok && row.At(blob.Text).Text() == text
	}
}

func TestLostNoticesLeadToAPass(t *testing.T) {
	s := serve(t, Options{}, nil)
	s.write("seen.md", "seen")
	s.wait(t, "the file that is noticed", s.has("seen.md", "seen"))
	w := s.r.watch
	if err := w.notices.Remove(w.base); err != nil {
		t.Fatal(err)
	}
	s.write("unseen.md", "unseen") // nobody tells of it
	w.notices.Errors <- fsnotify.ErrEventOverflow
	s.wait(t, "the file that was not noticed", s.has("unseen.md", "unseen"))
	s.wait(t, "the end of the problem", func() bool { return s.in.Hindrance() == nil })
	s.write("again.md", "again")
	s.wait(t, "a file that is noticed again", s.has("again.md", "again"))
}

func TestTheLimitOnWatchesIsToldAndPolledAround(t *testing.T) {
	var limit error = &os.SyscallError{Syscall: "inotify_add_watch", Err: syscall.ENOSPC}
	s := serve(t, Options{Reconcile: 20 * time.Millisecond}, func(r *run) {
		back := r.setback(limited(limit))
		if _, ok := errors.AsType[*setback](back); !ok || !errors.Is(back, errWatchLimit) {
			t.Fatalf("the limit is %v", back)
		}
		r.unwatched = time.Now().Add(300 * time.Millisecond)
	})
	fault, ok := errors.AsType[*cdc.SourceError](s.in.Hindrance())
	if !ok || fault.Code != "watch_limit" || fault.Hint == "" {
		t.Fatalf("the problem is %v", s.in.Hindrance())
	}
	s.write("a.md", "a")
	s.wait(t, "a file found by polling", s.has("a.md", "a"))
	s.wait(t, "watches that can be had again", func() bool { return s.in.Hindrance() == nil })
	s.write("a.md", "noticed")
	s.wait(t, "a file that is noticed", s.has("a.md", "noticed"))
}

func TestOnlyLimitsAreTakenForLimits(t *testing.T) {
	for err, want := range map[error]bool{syscall.ENOSPC: true, syscall.EMFILE: true, syscall.EACCES: false, nil: false} {
		if got := errors.Is(limited(err), errWatchLimit); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
