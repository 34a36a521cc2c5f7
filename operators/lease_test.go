package operators_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/stream"
)

// door is a server that is reached over a connection: the first question opens it.
type door struct {
	server
	hold chan struct{} // a question waits here; nil: it does not

	mu           sync.Mutex
	open         bool
	opens, ended int
}

func (d *door) Embed(ctx context.Context, texts []string) (accel.Reply, error) {
	d.mu.Lock()
	if !d.open {
		d.open = true
		d.opens++
	}
	d.mu.Unlock()
	if d.hold != nil {
		<-d.hold
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open {
		return accel.Reply{}, &accel.Error{Kind: accel.Unavailable, Message: "the connection was closed under a question"}
	}
	return d.server.Embed(ctx, texts)
}

func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = false
	d.ended++
	return nil
}

// stands says how often the door was opened and closed, and whether it is open.
func (d *door) stands(t *testing.T, when string, opens, ended int, open bool) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opens != opens || d.ended != ended || d.open != open {
		t.Errorf("%s: opened %d times, closed %d times, open %v; want %d, %d, %v", when, d.opens, d.ended, d.open, opens, ended, open)
	}
}

// What a question opens is closed behind it, unless somebody else uses it: another question, or a Run.
func TestAQuestionOutsideOfARunLeavesNothingOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{}
		m := operators.NewRemote("m", d, operators.ModelOptions{})
		ask := func() {
			if _, err := m.Ask(t.Context(), []byte("a")); err != nil {
				t.Error(err)
			}
		}
		ask()
		d.stands(t, "after one question", 1, 1, false)

		d.hold = make(chan struct{})
		var asking sync.WaitGroup
		for range 2 {
			asking.Go(ask)
		}
		synctest.Wait()
		d.hold <- struct{}{}
		synctest.Wait()
		d.stands(t, "after one of two questions", 2, 1, true)
		d.hold <- struct{}{}
		asking.Wait()
		d.stands(t, "after both", 2, 2, false)

		ctx, cancel := context.WithCancel(t.Context())
		asking.Go(func() {
			if err := m.Run(ctx, func([]stream.Answer) {}); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(d.hold)
		ask()
		d.stands(t, "after a question beside a Run", 3, 2, true)
		cancel()
		asking.Wait()
		d.stands(t, "after the Run", 3, 3, false)
	})
}
