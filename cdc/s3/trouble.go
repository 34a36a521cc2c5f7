package s3

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/idle"
)

// troubles are what hinders the source while it goes on. They are safe for concurrent use.
type troubles struct {
	out   cdc.Inlet
	once  bool
	words func(err error) error // names a fault of the bucket for a person

	mu      sync.Mutex
	failing time.Time // since when the bucket does not answer; zero: it does
	told    [troubleKinds]error
	shown   string
}

// Kinds of trouble; of each one is told.
const (
	troubleBucket  = iota // it cannot be reached
	troubleQueue          // whoever tells of changes cannot be
	troubleGuard          // a pass would delete too much
	troubleBlocked        // objects cannot be looked at
	troubleKinds
)

// Between two questions to a server that does not answer lies a pause that grows from pauseMin to pauseMax.
const (
	pauseMin = 250 * time.Millisecond
	pauseMax = 5 * time.Second
)

// oncePatience is how long a run with Once waits for a server that does not answer.
const oncePatience = 20 * time.Second

// set tells a trouble of a kind; nil ends it.
func (t *troubles) set(kind int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setLocked(kind, err)
}

func (t *troubles) setLocked(kind int, err error) {
	t.told[kind] = err
	all := errors.Join(t.told[:]...)
	text := ""
	if all != nil {
		text = all.Error()
	}
	if text != t.shown {
		t.shown = text
		t.out.Problem(all)
	}
}

// stumble tells an outage of the bucket, and gives up where nobody would be told: the error is final.
func (t *troubles) stumble(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failing.IsZero() {
		t.failing = time.Now()
	}
	named := t.words(err)
	if t.once && (decided(err) || time.Since(t.failing) >= oncePatience) {
		return named
	}
	t.setLocked(troubleBucket, named)
	return nil
}

// decided reports whether a server has said no, so that asking again within seconds changes nothing.
func decided(err error) bool {
	for _, is := range []error{errDenied, errNoBucket, errAbsent, errElsewhere, errDisorder, errIdentity, errRefused} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// answered says that the bucket answers.
func (t *troubles) answered() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.failing.IsZero() {
		t.failing = time.Time{}
		t.setLocked(troubleBucket, nil)
	}
}

// persist asks about the bucket until it answers: that it denies or lacks something is an outage as well, which a
// person may mend while we run.
func (t *troubles) persist(ctx context.Context, ask func() error) error {
	return t.repeat(ctx, ask, func(error) bool { return true })
}

// insist asks about an object until the bucket answers. What the answer says of the object is returned.
func (t *troubles) insist(ctx context.Context, ask func() error) error {
	return t.repeat(ctx, ask, func(err error) bool {
		for _, is := range []error{errAbsent, errChanged, errDenied, errArchived, errRefused} {
			if errors.Is(err, is) {
				return false
			}
		}
		return true
	})
}

func (t *troubles) repeat(ctx context.Context, ask func() error, outage func(error) bool) error {
	for pause := pauseMin; ; pause = min(2*pause, pauseMax) {
		err := ask()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil || !outage(err) {
			t.answered()
			return err
		}
		if err := t.stumble(err); err != nil {
			return err
		}
		if err := idle.For(ctx, pause); err != nil {
			return err
		}
	}
}
