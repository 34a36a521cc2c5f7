package engine

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
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

// wordy is a source whose positions carry what no row needs to keep.
type wordy struct{ stream.Source }

func (wordy) Origin(at cdc.Position) cdc.Position { return at[:1] }

// A row keeps of its position what the source says it needs, since every row of the state has one; the cursor is whole.
func TestARowKeepsTheOriginOfItsPosition(t *testing.T) {
	for name, source := range map[string]stream.Source{"7": wordy{}, "7 of all": nil} {
		e := &Engine{plan: &stream.Plan{Sources: []*stream.SourceNode{{Source: source}}}}
		if got := e.originOf(0, "7 of all"); string(got) != name {
			t.Errorf("kept is %q, want %q", got, name)
		}
	}
}
