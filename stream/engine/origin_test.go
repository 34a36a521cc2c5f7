package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// wordy is a source whose positions say more than where a change stands.
type wordy struct{ *cdctest.Script }

var _ stream.Abridger = wordy{}

func (w wordy) Origin(at cdc.Position) cdc.Position {
	return cdc.Position("origin " + w.Describe(at) + ".")
}

// With a row lies where it comes from, in the source's own short words, and not its whole position: whether its transaction
// came alone, or was spilled, as one is that empties the collection.
func TestWithARowLiesItsOriginAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, table := wordy{newSource()}, streamtest.NewTable()
		m := newMachine(t, func(dead func() bool) *stream.Flow {
			f := stream.New("wordy")
			f.AddSource("rows", source)
			f.AddSink("table", []string{"rows"}, table.Sink().Until(dead), stream.SinkOptions{})
			return f
		})
		m.start()
		origins := func(want ...string) {
			t.Helper()
			m.settle()
			from, to := statestore.SpanOfSpace(0, statestore.SpaceOwners)
			var got []string
			if err := m.db.State.Scan(from, to, func(_, record []byte) error {
				_, origin, _ := strings.Cut(string(record), "origin ")
				origin, _, _ = strings.Cut(origin, ".")
				got = append(got, origin)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the origins of the rows (-want +got):\n%s", diff)
			}
		}
		commitRow(source.Script, "a", "first", 1)
		commitRow(source.Script, "b", "second", 2)
		origins("1", "2")
		source.Commit(cdc.Change{Op: cdc.Truncate}, source.Set(`{"id":"c","body":"third","other":3}`))
		origins("3")
		m.stop()
	})
}
