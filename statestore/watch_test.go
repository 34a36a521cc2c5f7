package statestore

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Waits by which compaction keeps up come many times a second under load; only those that last are told, and their ends.
func TestOnlyWaitsThatLastAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		w := newWatch(slog.New(slog.NewTextHandler(&said, nil)))
		for range 100 {
			w.stallBegin(pebble.WriteStallBeginInfo{Reason: "memtable count limit reached"})
			time.Sleep(stallTold / 2)
			w.stallEnd()
		}
		time.Sleep(time.Minute)
		if said.Len() > 0 {
			t.Errorf("short waits are told: %s", said.String())
		}
		w.stallBegin(pebble.WriteStallBeginInfo{Reason: "memtable count limit reached"})
		time.Sleep(2 * stallTold)
		synctest.Wait()
		if got := said.String(); strings.Count(got, "writes to the state wait") != 1 {
			t.Errorf("a wait that lasts is told as %q", got)
		}
		w.stallEnd()
		if got := said.String(); !strings.Contains(got, "writes to the state go on") || !strings.Contains(got, "waited=2s") {
			t.Errorf("its end is told as %q", got)
		}
	})
}
