package engine_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// connected is a model that opens a connection when it is asked a question, as one behind a server does. Connections of
// all models are counted.
type connected struct {
	*streamtest.Model
	all  *atomic.Int64
	open bool
}

func (c *connected) Ask(context.Context, []byte) ([]byte, error) {
	if !c.open {
		c.open = true
		c.all.Add(1)
	}
	return make([]byte, 8), nil
}

func (c *connected) Close() error {
	if c.open {
		c.open = false
		c.all.Add(-1)
	}
	return nil
}

// Whatever questions have opened is let go: that of an index which is replaced when its last search has ended, and the rest
// when the engine is closed. So a process may change its flow as often as it likes.
func TestModelsThatNobodyAsksAnyMoreAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int64
		s := &swapping{source: newSource(), dir: t.TempDir(), model: "m0", models: map[string]*streamtest.Model{},
			face: func(m *streamtest.Model) stream.Model { return &connected{Model: m, all: &open} }}
		for i := range 6 {
			name := fmt.Sprintf("m%d", i)
			s.models[name] = streamtest.NewModel(name, 1)
		}
		m := newMachine(t, func(func() bool) *stream.Flow { return s.flow(s.model) })
		m.options.Text, m.options.Restore = s.model, s.restore
		commitRow(s.source, "a", "xxxxyyyy", 0)
		asks := func(model string, want int64) {
			t.Helper()
			index, err := m.engine.Index("index")
			if err != nil {
				t.Fatal(err)
			}
			defer index.Close()
			if _, err := index.Embed(t.Context(), "rent"); err != nil || index.Model.Name() != model {
				t.Fatalf("the question goes to the model %s, %v; want %s", index.Model.Name(), err, model)
			}
			if got := open.Load(); got != want {
				t.Errorf("while %s is asked %d connections are open, want %d", model, got, want)
			}
		}
		m.start()
		asks("m0", 1)
		m.stop()
		for i := 1; i < 6; i++ {
			old := s.model
			s.model = fmt.Sprintf("m%d", i)
			m.options.Text = s.model
			s.models[s.model].Down(true)
			m.start()
			asks(old, 1)
			m.stop()
			if got := open.Load(); got != 0 {
				t.Fatalf("the process has ended before the change %d was complete, and %d connections are open", i, got)
			}
			m.start()
			asks(old, 1)
			s.models[s.model].Down(false)
			m.pass(time.Minute)
			if got := open.Load(); got != 0 {
				t.Fatalf("the index of %s has gone, and %d connections are open", old, got)
			}
			asks(s.model, 1)
			m.stop()
		}
		if got := open.Load(); got != 0 {
			t.Errorf("all are closed, and %d connections are open", got)
		}
	})
}
