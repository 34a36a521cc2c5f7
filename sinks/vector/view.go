package vector

import (
	"context"
	"slices"
	"sync"
)

// View is a fixed state of the index: several searches over it see the same rows, however much is written meanwhile.
// It holds memory of rows that were replaced since; close it soon. Its methods may be called concurrently.
type View struct {
	x      *Index
	state  *state
	pinned bool

	mu     sync.RWMutex // held shared by calls, so that Close waits for them
	closed bool
}

// openView counts the views of an epoch.
type openView struct {
	epoch uint64
	n     int
}

// View returns the present state. It may wait for a commit that is under way, never for more.
func (x *Index) View() *View { return x.view(true) }

// view opens a view. One that is not pinned may find that a payload was replaced since: errOvertaken.
func (x *Index) view(pinned bool) *View {
	x.mu.Lock()
	defer x.mu.Unlock()
	if pinned {
		// A commit that began when nobody needed old payloads replaces them; only after it can a view be whole.
		for x.committing && !x.shelving && !x.closed {
			x.published.Wait()
		}
		x.pinned++
	}
	n := len(x.views)
	if n == 0 || x.views[n-1].epoch != x.current.epoch {
		x.views = append(x.views, openView{epoch: x.current.epoch})
		n++
	}
	x.views[n-1].n++
	return &View{x: x, state: x.current, pinned: pinned}
}

// Close lets go of the state. Calls that are under way finish first.
func (v *View) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return
	}
	v.closed = true
	if v.x.release(v) && v.x.writer.TryLock() {
		v.x.recycle()
		v.x.writer.Unlock()
	}
}

// forget closes a view of the writer itself, which recycles on its own.
func (v *View) forget() { v.x.release(v) }

// release closes a view and reports whether it was the oldest one.
func (x *Index) release(v *View) (oldest bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := slices.IndexFunc(x.views, func(o openView) bool { return o.epoch == v.state.epoch })
	x.views[i].n--
	if x.views[i].n == 0 {
		x.views = slices.Delete(x.views, i, i+1)
		oldest = i == 0
	}
	if v.pinned {
		x.pinned--
	}
	return oldest && v.pinned
}

// oldestLocked returns the epoch of the oldest open view, or the present one.
func (x *Index) oldestLocked() uint64 {
	if len(x.views) > 0 {
		return x.views[0].epoch
	}
	return x.current.epoch
}

// awaitPublished waits until the commit that has overtaken an epoch is published.
func (x *Index) awaitPublished(epoch uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.committing && x.current.epoch == epoch && !x.closed {
		x.published.Wait()
	}
}

// begin admits a call; the caller unlocks v.mu when there is no error.
func (v *View) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v.mu.RLock()
	v.x.mu.Lock()
	closed := v.closed || v.x.closed
	v.x.mu.Unlock()
	if closed {
		v.mu.RUnlock()
		return ErrClosed
	}
	return nil
}

// Len returns the number of rows in the view.
func (v *View) Len() int { return v.state.rows }

// Progress returns the generation and epoch that the view shows.
func (v *View) Progress() (generation, epoch uint64) {
	return v.state.progress.generation, v.state.progress.epoch
}
