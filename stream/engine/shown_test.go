package engine

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet/freshet/stream"
)

// showing is a writer that shows what it is given and then works on.
type showing struct {
	stream.Writer
	shows bool
}

func (w showing) Apply(_ context.Context, txn *stream.Txn) error {
	<-time.After(3 * time.Millisecond)
	if w.shows {
		txn.Shown()
	}
	<-time.After(40 * time.Millisecond)
	return nil
}

// TestFreshnessEndsWhenReadersSeeARow: what a target does behind that is not part of it.
func TestFreshnessEndsWhenReadersSeeARow(t *testing.T) {
	for shows, want := range map[bool]float64{true: 3, false: 43} {
		synctest.Test(t, func(t *testing.T) {
			d := &delivery{writer: showing{shows: shows}, latency: &latency{}, log: slog.New(slog.DiscardHandler), crash: func(string) {}}
			p := placed{effect: effect{time: time.Now().UnixMicro()}}
			if err := d.write(t.Context(), nil, standing([]placed{p})); err != nil {
				t.Fatal(err)
			}
			if got := d.latency.percentiles().P50; got != want {
				t.Errorf("shown before it is durable %v: %v ms, want %v", shows, got, want)
			}
		})
	}
}
