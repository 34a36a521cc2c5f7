package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/freshet/freshet/internal/idle"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/api/console"
	"github.com/freshet/freshet/stream/engine"
)

// patience is how long a verb waits for a state that somebody holds and nobody answers for: another verb
// that is about to be done, or a flow that is about to answer.
const (
	patience     = 2 * time.Second
	patienceBeat = 50 * time.Millisecond
)

// either asks the process that runs the flow of a file or, where nobody runs it, opens the state itself. So does a verb that reads
// the state and nothing else, where that process waits to begin.
func either[T any](ctx context.Context, c *cli, path string, running func(*peer) (T, error), stopped func(*flow) (T, error)) (T, error) {
	var none T
	state, err := c.place(path)
	if err != nil {
		return none, err
	}
	var f *flow
	if p, ok := findPeer(ctx, state); ok {
		value, err := running(p)
		if !c.local || !errors.As(err, new(*notBegun)) {
			return value, err
		}
		if f, err = c.recallWaiting(ctx, path, p, err); err != nil {
			return none, err
		}
	} else if f, err = c.reached(ctx, path); err != nil {
		return none, err
	}
	var value T
	p, err := f.awaited(ctx, func() (err error) {
		value, err = stopped(f)
		return err
	})
	if p != nil {
		return running(p)
	}
	return value, f.safe(f.silent(err))
}

// reached is a stopped flow whose sources were asked, or for a verb that reads the state alone, what they told the last run.
func (c *cli) reached(ctx context.Context, path string) (*flow, error) {
	f, err := c.open(ctx, path)
	if err != nil && c.local {
		return c.recall(path, err)
	}
	return f, err
}

// awaited runs fn, which needs the state of the stopped flow: a verb that looks into it just then is about to be done, and is
// waited for. A process that runs the flow is not; it is given beside the error.
func (f *flow) awaited(ctx context.Context, fn func() error) (*peer, error) {
	for end := time.Now().Add(patience); ; {
		err := fn()
		if !errors.As(err, new(*statestore.InUseError)) || time.Now().After(end) {
			return nil, err
		}
		if p, ok := findPeer(ctx, f.state); ok && p.PID != os.Getpid() { // this one is about to begin
			return p, err
		}
		if err := idle.For(ctx, patienceBeat); err != nil {
			return nil, err
		}
	}
}

// silent says who holds a state that nobody answers for, and what can be done about it. Other errors stay what they are.
func (f *flow) silent(err error) error {
	if !errors.As(err, new(*statestore.InUseError)) {
		return err
	}
	pid := holder(f.state)
	if k, ok := readControl(f.state); ok && (pid == 0 || pid == k.PID) {
		return k.mute(pid, answerTime)
	}
	who, look, end := wordsOf(pid)
	return newFault("state_in_use", fmt.Sprintf("`freshet run --once` and verbs of a stopped flow have it for as long as they take: look at %s, and wait; or %s", look, end),
		"%s has the state %s open, and answers no questions", who, f.state)
}

// mute is the fault of a process, of which the number is 0 where it is not known, that runs a flow and has not answered for a while.
func (k *control) mute(pid int, after time.Duration) *fault {
	who, look, end := wordsOf(pid)
	return newFault("state_in_use", fmt.Sprintf("look at its log and at %s: it may be stopped, or wait for a disk; %s and start it again, nothing that was confirmed is lost", look, end),
		"%s runs the flow %s and does not answer at %s within %s", who, k.Flow, k.Address, console.Lasting(after))
}

// wordsOf says which process it is, where to look at it, and how to end it.
func wordsOf(pid int) (who, look, end string) {
	if pid == 0 {
		return "a process", "what runs on this machine, and in its containers", "end it"
	}
	return fmt.Sprintf("process %d", pid), fmt.Sprintf("`ps -o stat,etime,args -p %d`", pid), fmt.Sprintf("end it with `kill %d`", pid)
}

// holder is the process that has locked a state; 0 where that cannot be told, as of one in another container. This process
// must not have: to close any file that it has locked would take its lock away.
func holder(state string) int {
	f, err := os.Open(filepath.Join(state, "LOCK"))
	if err != nil {
		return 0
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil || lock.Type == unix.F_UNLCK {
		return 0
	}
	return int(lock.Pid)
}

// reading opens the state of a stopped flow without changing it, for as long as fn takes.
func reading[T any](f *flow, fn func(*statestore.DB) (T, error)) (T, error) {
	return holding(f, true, fn)
}

// unheld is an error where another process has the state: one that begins anew runs the flow, and does not answer for a moment.
func (f *flow) unheld() error {
	if !f.exists() {
		return nil
	}
	_, err := reading(f, func(*statestore.DB) (struct{}, error) { return struct{}{}, nil })
	return err
}

// holding opens the state of a stopped flow for as long as fn takes. One that belongs to another flow is refused.
func holding[T any](f *flow, readOnly bool, fn func(*statestore.DB) (T, error)) (T, error) {
	var none, value T
	db, err := f.store(readOnly)
	if err != nil {
		return none, err
	}
	if err = engine.BelongsTo(db, f.plan.Flow); err == nil {
		value, err = fn(db)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return none, err
	}
	return value, nil
}
