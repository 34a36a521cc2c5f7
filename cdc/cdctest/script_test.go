package cdctest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func words() cdc.Collection {
	return cdc.Collection{Schema: &cdc.Schema{
		Columns: []cdc.Column{{Name: "word", Type: cdc.Type{Kind: cdc.String}}, {Name: "n", Type: cdc.Type{Kind: cdc.String}}},
		Key:     []int{0},
	}}
}

// shelf is a world in a script.
type shelf struct {
	script *cdctest.Script
	bend   func(cdctest.Source) cdctest.Source
}

func newShelf() *shelf {
	return &shelf{script: cdctest.NewScript(words()), bend: func(s cdctest.Source) cdctest.Source { return s }}
}

func (s *shelf) Source() (cdctest.Source, error) { return s.bend(s.script), nil }

func (s *shelf) Write(key, value string) error {
	s.script.Commit(s.script.Set(fmt.Sprintf(`{"word": %q, "n": %q}`, key, value)))
	return nil
}

func (s *shelf) Delete(key string) error {
	s.script.Commit(cdc.Change{Op: cdc.Delete, Key: cdc.StringKey(key)})
	return nil
}

func (s *shelf) Read(c cdc.Change) (key, value string, err error) {
	if c.After.Len() == 2 {
		value = c.After.At(1).Text()
	}
	return c.Key.Text(), value, nil
}

func TestScriptConforms(t *testing.T) {
	for _, split := range []int{0, 1} {
		cdctest.TestSource(t, func(*testing.T) cdctest.Harness {
			s := newShelf()
			s.script.Split(split)
			return s
		})
	}
}

func TestScriptTells(t *testing.T) {
	ctx := t.Context()
	t.Run("a failure ends the run once", func(t *testing.T) {
		s := newShelf().script
		s.Commit(s.Set(`{"word": "a", "n": "1"}`))
		broken := errors.New("broken")
		s.Fail(broken)
		if err := s.Run(ctx, cdctest.NewInlet().Start(), cdctest.NewInlet()); !errors.Is(err, broken) {
			t.Errorf("the run ends with %v", err)
		}
		in := cdctest.NewInlet()
		start := in.Start()
		start.Once = true
		if err := s.Run(ctx, start, in); err != nil || len(in.Puts()) != 1 {
			t.Errorf("the next run ends with %v after %d changes", err, len(in.Puts()))
		}
	})
	t.Run("a forgotten log is a gap", func(t *testing.T) {
		s := newShelf().script
		for range 3 {
			s.Commit(s.Set(`{"word": "a", "n": "1"}`))
		}
		s.Forget(cdctest.ScriptPosition(2))
		err := s.Run(ctx, cdc.Start{Resume: cdctest.ScriptPosition(1), Once: true}, cdctest.NewInlet())
		if !errors.Is(err, cdc.ErrGap) {
			t.Errorf("the run ends with %v", err)
		}
		in := cdctest.NewInlet()
		if err := s.Run(ctx, cdc.Start{Resume: cdctest.ScriptPosition(2), Once: true}, in); err != nil || in.Last() != cdctest.ScriptPosition(3) {
			t.Errorf("from the end of the gap the run ends with %v at %s", err, s.Describe(in.Last()))
		}
	})
	t.Run("a pause holds the log back, a problem is told and taken back", func(t *testing.T) {
		s := newShelf().script
		s.Pause()
		in := cdctest.NewInlet()
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		var sources sync.WaitGroup
		sources.Go(func() { ended <- s.Run(running, in.Start(), in) })
		t.Cleanup(sources.Wait)
		wait := func(what string, done func() bool) {
			t.Helper()
			if err := in.Wait(ctx, what, done); err != nil {
				t.Fatal(err)
			}
		}
		wait("caught up", func() bool { return in.Caught() == 1 })
		trouble := errors.New("trouble")
		s.Trouble(trouble)
		wait("the problem", func() bool { return in.Hindrance() == trouble })
		s.Commit(s.Set(`{"word": "a", "n": "1"}`))
		s.Trouble(nil)
		wait("its end", func() bool { return in.Hindrance() == nil })
		if len(in.Puts()) != 0 {
			t.Error("a change came through the pause")
		}
		s.Resume()
		wait("the change", func() bool { return len(in.Puts()) == 1 })
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// The inlet of a crash knows what was durable and nothing else: // I1.
func TestCrashForgetsWhatWasNotDurable(t *testing.T) {
	in := cdctest.NewInlet()
	in.Defer()
	put := func(n int, changes ...cdc.Change) {
		b := in.Batch()
		for _, c := range changes {
			b.Add(c)
		}
		b.Commit(cdctest.ScriptPosition(n), 0)
		if err := in.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	s := newShelf().script
	a, b := s.Set(`{"word": "a", "n": "1"}`), s.Set(`{"word": "b", "n": "1"}`)
	a.Note, b.Note = []byte("noted"), []byte("lost")
	put(1, a)
	put(2, b)
	put(3, cdc.Change{Op: cdc.Delete, Key: a.Key})
	in.Durable(cdctest.ScriptPosition(1))
	next := in.Crash()
	if got := next.Start().Resume; got != cdctest.ScriptPosition(1) {
		t.Errorf("it resumes at %x", got)
	}
	if note, ok, _ := next.Ledger().Note(0, a.Key); !ok || string(note) != "noted" {
		t.Errorf("the note of a is %q", note)
	}
	if _, ok, _ := next.Ledger().Note(0, b.Key); ok {
		t.Error("the note of b is durable")
	}
	if diff := cmp.Diff(map[string]cdc.Row{"0/a": a.After}, next.Rows()); diff != "" {
		t.Error(diff)
	}
	in.Durable(in.Last())
	if _, ok, _ := in.Ledger().Note(0, a.Key); ok {
		t.Error("the note of a outlives its row")
	}
}
