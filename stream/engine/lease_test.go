package engine_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// A search that began before a swap ends in the index in which it began: it is not removed before.
func TestASearchOutlivesTheSwapOfItsIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &swapping{source: newSource(), dir: t.TempDir(), model: "old",
			models: map[string]*streamtest.Model{"old": streamtest.NewModel("old", 1), "new": streamtest.NewModel("new", 1)}}
		m := newMachine(t, func(func() bool) *stream.Flow { return s.flow(s.model) })
		m.options.Text = "old"
		m.options.Restore = s.restore
		commitRow(s.source, "a", "xxxxyyyy", 0)
		m.start()
		m.stop()
		s.model, m.options.Text = "new", "new"
		s.models["new"].Down(true)
		m.start()
		index, err := m.engine.Index("index")
		if err != nil {
			t.Fatal(err)
		}
		s.models["new"].Down(false)
		m.pass(time.Minute) // while the question is being embedded the new index has come to serve
		wantIndex(t, m, "new", 1)
		hits, err := index.Search(t.Context(), stream.Query{Vector: []float32{1, 1}, K: 1})
		if err != nil || len(hits) != 1 || index.Model.Name() != "old" {
			t.Errorf("the search in the index of model %s finds %d rows, %v", index.Model.Name(), len(hits), err)
		}
		index.Close()
		m.pass(time.Minute)
		if _, err := index.Search(t.Context(), stream.Query{Vector: []float32{1, 1}, K: 1}); err == nil {
			t.Error("the old index is still there")
		}
		m.stop()
	})
}

// What a target is changes in the loop while people ask: whoever asks during a swap reads it whole (for the race detector).
func TestASwapIsAskedAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &swapping{source: newSource(), dir: t.TempDir(), model: "old",
			models: map[string]*streamtest.Model{"old": streamtest.NewModel("old", 1), "new": streamtest.NewModel("new", 1)}}
		m := newMachine(t, func(func() bool) *stream.Flow { return s.flow(s.model) })
		m.options.Text = "old"
		m.options.Restore = s.restore
		commitRow(s.source, "a", "xxxxyyyy", 0)
		m.start()
		m.stop()
		s.model, m.options.Text = "new", "new"
		s.models["new"].Down(true)
		m.start()
		var asking sync.WaitGroup
		done := make(chan struct{})
		asking.Go(func() {
			beat := time.NewTicker(time.Millisecond)
			defer beat.Stop()
			for {
				m.engine.Ready()
				m.engine.Status()
				if _, err := m.engine.Lineage("rows/a"); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				case <-beat.C:
				}
			}
		})
		s.models["new"].Down(false)
		m.pass(20 * time.Second)
		close(done)
		asking.Wait()
		wantIndex(t, m, "new", 1)
		m.stop()
	})
}
