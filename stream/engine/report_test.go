package engine_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/streamtest"
)

// telling is a source that says how it stands.
type telling struct {
	*cdctest.Script
	report cdc.Report
}

func (s *telling) Report() cdc.Report { return s.report }

func TestWhatASourceTellsOfItselfIsInTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &telling{Script: newSource(), report: cdc.Report{RetainedBytes: 7, LagBytes: -1,
			Reading: &cdc.Reading{Collection: "public.docs", Rows: 10, RowsPerSecond: 5, Done: 0.25, Left: time.Minute},
			Pushes:  &cdc.Pushes{Requests: 1, Taken: 2, Repeated: 3, Refused: 4, TurnedAway: 5},
			Notices: &cdc.Notices{Taken: 6, Repeated: 7, Unreadable: 8, Foreign: 9, Outside: 10}}}
		table := streamtest.NewTable()
		m := newMachine(t, func(dead func() bool) *stream.Flow {
			f := stream.New("telling")
			f.AddSource("rows", source)
			f.AddSink("table", []string{"rows"}, table.Sink().Until(dead), stream.SinkOptions{})
			return f
		})
		m.start()
		got := m.engine.Status().Sources["rows"]
		retained := int64(7)
		want := engine.SourceStatus{State: "live", Position: got.Position, RetainedBytes: &retained,
			Reading: &engine.Reading{Collection: "public.docs", Rows: 10, RowsPerSecond: 5, Done: 0.25, ETASeconds: 60},
			Pushes:  &engine.Pushes{Requests: 1, Taken: 2, Repeated: 3, Refused: 4, TurnedAway: 5},
			Notices: &engine.Notices{Taken: 6, Repeated: 7, Unreadable: 8, Foreign: 9, Outside: 10}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the source's status differs (-want +got):\n%s", diff)
		}
		m.stop()
	})
}

// I10: a source that waits for a person's word is told from one that cannot be reached.
func TestAGuardIsNoOutage(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		m.start()
		for code, trouble := range map[string]error{"data_guard": fmt.Errorf("most is gone: %w", cdc.ErrGap), "source_unavailable": errors.New("nobody answers")} {
			w.source.Trouble(trouble)
			m.settle()
			if _, reasons := m.engine.Ready(); len(reasons) != 1 || reasons[0].Code != code {
				t.Errorf("%v is shown as %v, want %s", trouble, reasons, code)
			}
		}
		m.stop()
	})
}
