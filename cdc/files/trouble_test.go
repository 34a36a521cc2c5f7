package files

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
)

func TestAFolderThatIsAwayForLongIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s, err := New(Options{Path: filepath.Join(t.TempDir(), "away"), Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		in := cdctest.NewInlet()
		r, err := newRun(s, cdc.Start{}, in)
		if err != nil {
			t.Fatal(err)
		}
		r.caught = true // a service that has read it before
		waiting, stop := context.WithTimeout(t.Context(), time.Hour+folderPause/2)
		defer stop()
		if err := r.loop(waiting); !errors.Is(err, context.DeadlineExceeded) || in.Hindrance() == nil {
			t.Fatalf("after an hour it ends with %v, hindered by %v", err, in.Hindrance())
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("an hour without the folder makes %d lines, want 1:\n%.300s", n, log.String())
		}
	})
}
