package cdctest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"go.uber.org/goleak"
)

// Source is what the suite asks of a source: the part of stream.Source that it needs. The optional
// capabilities Confirm, Rescans and Estimates are used where a source has them.
type Source interface {
	Collections(ctx context.Context) ([]cdc.Collection, error)
	Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error
}

// Harness is a world of its own, at first without rows, that a source reads. Its keys and values are
// words of ASCII letters and digits. What it changes may reach the source later, but in order.
type Harness interface {
	// Source makes a source over this world, as another process would.
	Source() (Source, error)
	// Write puts a value under a key, whether there is one or not.
	Write(key, value string) error
	// Delete removes a key.
	Delete(key string) error
	// Read gives the key and the value that a row of all columns holds. A change whose key is not of
	// the harness's making is an error.
	Read(change cdc.Change) (key, value string, err error)
}

// TestSource holds a source against the contract of stream.Source, each check in a world of its own.
// It makes sure as well that no goroutine outlives a run.
func TestSource(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			ctx, cancel := context.WithTimeoutCause(t.Context(), checkTime, errors.New("the check's time is over"))
			defer cancel()
			if err := c.Run(ctx, open(t)); err != nil {
				t.Error(err)
			}
			if err := goleak.Find(before); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkTime bounds a check; a source that is well needs milliseconds to seconds.
const checkTime = time.Minute

// stopTime is how long a run may last after its context has ended.
const stopTime = 3 * time.Second

// Check is one promise of the contract.
type Check struct {
	Name string
	Run  func(ctx context.Context, h Harness) error
}

// trial is a source at work.
type trial struct {
	source Source
	inlet  *Inlet
	h      Harness
	stop   context.CancelFunc
	work   sync.WaitGroup
	ended  chan struct{} // closed when Run has returned
	err    error         // of Run, behind ended
}

// begin starts a source on an inlet; adapt, where given, changes how.
func begin(ctx context.Context, h Harness, in *Inlet, adapt func(*cdc.Start)) (*trial, error) {
	source, err := h.Source()
	if err != nil {
		return nil, fmt.Errorf("make source: %w", err)
	}
	start := in.Start()
	if adapt != nil {
		adapt(&start)
	}
	running, stop := context.WithCancel(ctx)
	t := &trial{source: source, inlet: in, h: h, stop: stop, ended: make(chan struct{})}
	t.work.Go(func() {
		defer in.set(func() {}) // who waits for the inlet looks again
		defer close(t.ended)
		t.err = source.Run(running, start, in)
	})
	if c, ok := source.(interface {
		Confirm(context.Context, cdc.Position) error
	}); ok {
		told := start.Resume // not what is durable by the time that the goroutine runs
		t.work.Go(func() { t.confirm(running, told, c.Confirm) })
	}
	return t, nil
}

// confirm tells the source what is durable, from a goroutine of its own as the engine does.
func (t *trial) confirm(ctx context.Context, told cdc.Position, confirm func(context.Context, cdc.Position) error) {
	for {
		err := t.inlet.Wait(ctx, "a durable position", func() bool { return t.inlet.Position() != told || t.over() })
		if err != nil || t.over() {
			return
		}
		told = t.inlet.Position()
		if confirm(ctx, told) != nil {
			return
		}
	}
}

func (t *trial) over() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// wait waits for a state of the inlet; a run that ends before is an error.
func (t *trial) wait(ctx context.Context, what string, done func() bool) error {
	ended := false
	err := t.inlet.Wait(ctx, what, func() bool {
		ended = t.over() // before done, which may have come true just before the end
		return done() || ended
	})
	if err == nil && ended && !done() {
		return fmt.Errorf("wait for %s: the run ended: %v", what, t.err)
	}
	return err
}

func (t *trial) caught(ctx context.Context) error {
	return t.wait(ctx, "CaughtUp", func() bool { return t.inlet.Caught() > 0 })
}

// holds waits until the rows are exactly these.
func (t *trial) holds(ctx context.Context, want map[string]string) error {
	err := t.wait(ctx, fmt.Sprintf("the rows %v", want), func() bool {
		got, err := t.values()
		return err == nil && equal(got, want)
	})
	if err != nil {
		got, e := t.values()
		return errors.Join(fmt.Errorf("rows are %v: %w", got, err), e)
	}
	return nil
}

// values are the rows put so far, by the harness's keys.
func (t *trial) values() (map[string]string, error) {
	got := make(map[string]string)
	for _, p := range t.inlet.all() {
		key, value, err := t.h.Read(p.Change)
		if err != nil {
			return nil, err
		}
		switch p.Op {
		case cdc.Insert, cdc.Update:
			got[key] = value
		case cdc.Truncate:
			clear(got)
		default:
			delete(got, key)
		}
	}
	return got, nil
}

// end stops the source and reports what was broken until then.
func (t *trial) end() error {
	t.stop()
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-t.ended:
	case <-timer.C:
		return fmt.Errorf("stop source: it runs on %v after its context ended", stopTime)
	}
	t.work.Wait()
	if t.err != nil {
		return fmt.Errorf("run source: %w, and not nil when its context ends", t.err)
	}
	return t.inlet.Verify()
}

// once runs a source until it is exhausted.
func once(ctx context.Context, h Harness, in *Inlet, adapt func(*cdc.Start)) (*trial, error) {
	t, err := begin(ctx, h, in, func(s *cdc.Start) {
		s.Once = true
		if adapt != nil {
			adapt(s)
		}
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-t.ended:
	case <-ctx.Done():
		return t, errors.Join(fmt.Errorf("run once: %w", context.Cause(ctx)), t.end())
	}
	return t, t.end()
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// copied gives the world n rows, and has a source read them until it is exhausted.
func copied(ctx context.Context, h Harness, n int) (t *trial, want map[string]string, err error) {
	if want, err = write(h, n); err != nil {
		return nil, nil, err
	}
	t, err = once(ctx, h, NewInlet(), nil)
	return t, want, err
}

// live takes steps beside a source that has caught up, and ends it.
func live(ctx context.Context, h Harness, in *Inlet, steps func(t *trial) error) error {
	t, err := begin(ctx, h, in, nil)
	if err != nil {
		return err
	}
	if err = t.caught(ctx); err == nil {
		err = steps(t)
	}
	return errors.Join(err, t.end())
}
