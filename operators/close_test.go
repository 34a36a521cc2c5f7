package operators_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

// door is a server that is reached over a connection, which the first question opens.
type door struct {
	server
	open  atomic.Bool
	opens atomic.Int64
}

func (d *door) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	if !d.open.Swap(true) {
		d.opens.Add(1)
	}
	return d.server.Embed(ctx, texts)
}

func (d *door) Close() error {
	d.open.Store(false)
	return nil
}

// What questions outside of a Run open stays open for the next one until Close; a Run closes what it has opened.
func TestWhatQuestionsOpenIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{}
		m := operators.NewRemote("m", d, operators.ModelOptions{})
		asked := func(times int64, open bool, when string) {
			t.Helper()
			if d.opens.Load() != times || d.open.Load() != open {
				t.Errorf("%s it was opened %d times, and is open: %v; want %d, %v", when, d.opens.Load(), d.open.Load(), times, open)
			}
		}
		ask := func() {
			t.Helper()
			if _, err := m.Ask(t.Context(), []byte("a")); err != nil {
				t.Error(err)
			}
		}
		ask()
		ask()
		asked(1, true, "after two questions")
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		asked(1, false, "after Close")
		ask()
		asked(2, true, "after another question")

		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := m.Run(ctx, func([]stream.Answer) {}); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		ask()
		asked(2, true, "beside a Run")
		cancel()
		running.Wait()
		asked(2, false, "after the Run")
	})
}
