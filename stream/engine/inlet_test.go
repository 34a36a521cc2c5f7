package engine

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A source that was away is told to be back once, with how long it was away and why.
func TestTheReturnOfASourceIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		in := newInlet("docs", 1<<20, func() {}, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
		in.Problem(nil)
		in.Problem(errors.New("refused"))
		time.Sleep(time.Minute) // of the bubble's time
		in.Problem(errors.New("refused again"))
		time.Sleep(30 * time.Second)
		in.Problem(nil)
		in.Problem(nil)
		if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, `msg="source is read again" source=docs after=1m30s was="refused again"`) {
			t.Errorf("it says %q", said)
		}
	})
}
