package statestore_test

import (
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// countingFS calls fn once, before the nth write operation.
func countingFS(fs vfs.FS, n int, fn func()) vfs.FS {
	var writes atomic.Int64
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && writes.Add(1) == int64(n)+1 {
			fn()
		}
		return nil
	}))
}

// faultFS fails the operations that match while it is switched on.
type faultFS struct {
	vfs.FS
	on   atomic.Bool
	hits atomic.Int64
}

func newFaultFS(fs vfs.FS, err error, match func(errorfs.Op) bool) *faultFS {
	f := &faultFS{}
	f.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if f.on.Load() && match(op) {
			f.hits.Add(1)
			return err
		}
		return nil
	}))
	return f
}

// heldLog is a disk that takes its time: while it is held, no log of a state is synced.
type heldLog struct {
	mu    sync.Mutex
	held  chan struct{} // nil: not held
	timer *time.Timer
}

// hold keeps syncs back until release, or for so long: a log that is full is synced before the next one begins, and whoever
// holds may wait for that.
func (h *heldLog) hold(atMost time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		h.held, h.timer = make(chan struct{}), time.AfterFunc(atMost, h.release)
	}
}

func (h *heldLog) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held != nil {
		h.timer.Stop()
		close(h.held)
		h.held = nil
	}
}

func (h *heldLog) over(fs vfs.FS) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		default:
			return nil
		}
		if filepath.Ext(op.Path) != ".log" || strings.Contains(op.Path, "memo") {
			return nil
		}
		h.mu.Lock()
		held := h.held
		h.mu.Unlock()
		if held != nil {
			<-held
		}
		return nil
	}))
}
