package statestore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/freshet/freshet/statestore"
)

// signals closes the channel of a log message when it is first logged.
type signals struct {
	slog.Handler
	mu   sync.Mutex
	seen map[string]chan struct{}
}

func newSignals(messages ...string) *signals {
	s := &signals{Handler: slog.DiscardHandler, seen: map[string]chan struct{}{}}
	for _, m := range messages {
		s.seen[m] = make(chan struct{})
	}
	return s
}

func (s *signals) Enabled(context.Context, slog.Level) bool { return true }
func (s *signals) WithAttrs([]slog.Attr) slog.Handler       { return s }

func (s *signals) Handle(_ context.Context, r slog.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.seen[r.Message]; c != nil {
		close(c)
		s.seen[r.Message] = nil
	}
	return nil
}

// TestAFullDiskStallsIsSeenAndHeals: Pebble gives no error when its tables find the disk full, it
// makes writes wait for ever. The store says so, spins on nothing, lets the process leave, and goes
// on by itself when there is space again (I9, I10).
func TestAFullDiskStallsIsSeenAndHeals(t *testing.T) {
	const waits, fails = "writes to the state wait", "background write of the state fails and is tried again"
	log := newSignals(waits, fails)
	stalled, failing := log.seen[waits], log.seen[fails]
	mem := vfs.NewMem()
	disk := newFaultFS(mem, syscall.ENOSPC, func(op errorfs.Op) bool {
		return strings.HasSuffix(op.Path, ".sst") && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite)
	})
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10 << 30, TotalBytes: 20 << 30})
	db, err := statestore.Open("state", statestore.DBOptions{
		FS: disk, MemoryBytes: 8 << 20, Logger: slog.New(log), Fatal: unexpectedFatal(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	if free, ok, err := db.CheckDisk(); err != nil || !ok || free != 10<<30 {
		t.Errorf("disk with space: %d free, %v %v", free, ok, err)
	}
	disk.on.Store(true)
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 20 << 30})

	const commits, size = 40, 100 << 10
	var wg sync.WaitGroup
	defer wg.Wait()
	committed := make(chan error, 1) // one result of the one writer
	wg.Go(func() {
		for i := range commits {
			b := db.State.NewBatch()
			b.Put(ownerKey(fmt.Sprint("row ", i)), make([]byte, size))
			if err := db.CommitEpoch(b, uint64(i+1)); err != nil {
				committed <- err
				return
			}
		}
		committed <- nil
	})
	start := time.Now()
	<-stalled
	<-failing
	durable := db.DurableEpoch()
	if durable == 0 || durable == commits {
		t.Errorf("durable epoch %d while stalled, want some of %d", durable, commits)
	}
	stats := db.State.Stats()
	if stats.StalledFor == 0 || stats.Stalls == 0 {
		t.Errorf("stats while stalled: %+v", stats)
	}
	if _, ok, err := db.CheckDisk(); ok || err != nil {
		t.Errorf("full disk: %v %v, want not ok", ok, err)
	}
	if _, ok, err := db.State.Get(ownerKey("row 0")); !ok || err != nil {
		t.Errorf("read while stalled: %v %v", ok, err)
	}
	var stall *statestore.StalledError
	if err := db.Close(); !errors.As(err, &stall) || stall.Err == nil {
		t.Errorf("close while stalled: %v, want a StalledError", err)
	}
	if hits, limit := disk.hits.Load(), 100+50*int64(time.Since(start)/time.Second+1); hits > limit {
		t.Errorf("%d writes tried on a full disk, want at most %d: it spins", hits, limit)
	}

	t.Log("full for", time.Since(start))
	disk.on.Store(false)
	if err := <-committed; err != nil {
		t.Fatal(err)
	}
	t.Log("going on after", time.Since(start))
	if stats := db.State.Stats(); stats.StalledFor != 0 || stats.BackgroundError != nil {
		t.Errorf("stalled for %s, %v, after the disk has space again", stats.StalledFor, stats.BackgroundError)
	}
	if db.DurableEpoch() != commits {
		t.Errorf("durable epoch %d, want %d", db.DurableEpoch(), commits)
	}
	if err := db.State.Flush(); err != nil {
		t.Errorf("flush after the disk has space again: %v", err)
	}
	// The Close that met the stall closed the memo; this one closes the rest.
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	db = openDB(t, mem, "state")
	defer closeDB(t, db)
	if db.DurableEpoch() != commits {
		t.Errorf("durable epoch %d after all, want %d", db.DurableEpoch(), commits)
	}
}

func TestAFullDiskAtCloseIsAnErrorAndLosesNothing(t *testing.T) {
	mem := vfs.NewMem()
	disk := newFaultFS(mem, syscall.ENOSPC, func(op errorfs.Op) bool {
		return strings.HasSuffix(op.Path, ".sst") && (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpFileWrite)
	})
	db := openDB(t, disk, "state")
	b := db.State.NewBatch()
	b.Put(ownerKey("a"), []byte("1"))
	if err := db.CommitEpoch(b, 3); err != nil {
		t.Fatal(err)
	}
	disk.on.Store(true)
	if err := db.Close(); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("close on a full disk: %v, want its error", err)
	}
	disk.on.Store(false)
	db = openDB(t, mem, "state")
	defer closeDB(t, db)
	if value, ok, err := db.State.Get(ownerKey("a")); string(value) != "1" || !ok || err != nil || db.DurableEpoch() != 3 {
		t.Errorf("after the failed close: %q %v %v, epoch %d", value, ok, err, db.DurableEpoch())
	}
}
