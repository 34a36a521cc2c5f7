package statestore

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// noticeEvery is the least time between two log lines about the same trouble: a full disk gives
// tens of thousands of background errors a second.
const noticeEvery = 10 * time.Second

// watch keeps what Pebble reports while it works. Its methods are called with Pebble's locks held,
// so they take only their own and never block.
type watch struct {
	log    *slog.Logger
	damage atomic.Pointer[CorruptError] // the first damage seen, kept for good

	mu         sync.Mutex
	stalls     int64
	since      time.Time   // start of the present stall, zero when there is none
	tell       *time.Timer // tells of the present stall when it has lasted
	told       bool        // of the present stall
	failures   int64       // background errors since open
	failed     error       // newest background error since the last flush that worked
	suppressed int64       // background errors since the last log line
	noticed    time.Time
	slow       int64
	stuck      chan struct{} // closed while writes are stalled and background work fails
	isStuck    bool
	flushFails chan struct{} // closed at the next flush that fails
	flushError string        // error of the flush that has just ended

	// opening is called with a background error while the store opens, and may not return; nil otherwise.
	opening func(err error)
}

func newWatch(log *slog.Logger) *watch {
	return &watch{log: log, stuck: make(chan struct{}), flushFails: make(chan struct{})}
}

func (w *watch) listener() *pebble.EventListener {
	return &pebble.EventListener{
		DataCorruption:  w.corrupted,
		BackgroundError: w.backgroundError,
		WriteStallBegin: w.stallBegin,
		WriteStallEnd:   w.stallEnd,
		FlushEnd:        w.flushEnd,
		DiskSlow: func(info pebble.DiskSlowInfo) {
			w.diskSlow(info.Path, info.Duration)
		},
	}
}

// corrupted takes the place of Pebble's default, which ends the process and so makes a crash loop.
func (w *watch) corrupted(info pebble.DataCorruptionInfo) {
	w.found(&CorruptError{File: info.Path, Err: flatten(info.Details)})
}

// found records damage. The first report stays, for it names the cause.
func (w *watch) found(damage *CorruptError) *CorruptError {
	if w.damage.CompareAndSwap(nil, damage) {
		w.log.Error("state is damaged", "file", damage.File, "err", damage.Err)
	}
	return w.damage.Load()
}

func (w *watch) backgroundError(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.opening != nil && !IsCorrupt(err) {
		w.opening(err)
	}
	w.failures++
	w.failed = flatten(err)
	if w.failed.Error() == w.flushError {
		close(w.flushFails)
		w.flushFails = make(chan struct{})
	}
	w.update()
	w.suppressed++
	if now := time.Now(); now.Sub(w.noticed) >= noticeEvery {
		w.log.Error("background write of the state fails and is tried again",
			"err", w.failed, "times", w.suppressed)
		w.noticed, w.suppressed = now, 0
	}
}

// whileOpening sets what a background error is told to until the store is open.
func (w *watch) whileOpening(failed func(err error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.opening = failed
}

// flushEnd sees every flush. A failed one is reported to backgroundError next; an error that is
// not, such as that of a flush with nothing left to write, is no failure.
func (w *watch) flushEnd(info pebble.FlushInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if info.Err != nil {
		w.flushError = info.Err.Error()
		return
	}
	w.failed, w.flushError = nil, ""
	w.update()
}

// stallTold is how long writes wait before the log says so: shorter waits are how compaction keeps up.
const stallTold = time.Second

func (w *watch) stallBegin(info pebble.WriteStallBeginInfo) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalls++
	w.since = time.Now()
	w.update()
	began := w.since
	w.tell = time.AfterFunc(stallTold, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.since.Equal(began) {
			w.told = true
			w.log.Warn("writes to the state wait", "reason", info.Reason)
		}
	})
}

func (w *watch) stallEnd() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tell.Stop()
	if w.told {
		w.log.Info("writes to the state go on", "waited", time.Since(w.since))
	}
	w.since, w.told, w.failed = time.Time{}, false, nil
	w.update()
}

func (w *watch) diskSlow(path string, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow++
	w.log.Warn("disk is slow", "file", filepath.Base(path), "waited", d)
}

// update keeps stuck in step with its two conditions. Called with mu held.
func (w *watch) update() {
	stuck := w.failed != nil && !w.since.IsZero()
	switch {
	case stuck && !w.isStuck:
		close(w.stuck)
	case !stuck && w.isStuck:
		w.stuck = make(chan struct{})
	}
	w.isStuck = stuck
}

// stalled returns how long writes have waited, and the error that keeps them from going on.
func (w *watch) stalled() (time.Duration, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		return 0, w.failed
	}
	return max(time.Since(w.since), 1), w.failed
}

// whenStuck returns a channel that is closed once writes are stalled by failing background work.
func (w *watch) whenStuck() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stuck
}

// whenFlushFails returns a channel that is closed at the next flush that fails.
func (w *watch) whenFlushFails() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushFails
}

// flatten keeps the text of a Pebble error and drops the rest: its stack traces, and its own kind
// of marks, which the errors package of the standard library does not see.
func flatten(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s", err.Error())
}
