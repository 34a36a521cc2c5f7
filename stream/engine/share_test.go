package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/streamtest"
)

// noted is a sink that notes what it may hold in memory.
type noted struct {
	stream.Sink
	shares map[string]int64 // by sink
}

func (n noted) Open(ctx context.Context, t stream.Target) (stream.Writer, error) {
	n.shares[t.Sink] = t.MemoryBytes
	return n.Sink.Open(ctx, t)
}

// I9: the sinks of a flow share a quarter of its memory in equal parts, however many there are, and whatever the flow says of it.
func TestSinksShareAQuarterOfTheMemory(t *testing.T) {
	for _, x := range []struct {
		memory int64 // limits.memory; 0: the flow does not say it
		sinks  int
		share  int64
	}{{96 << 20, 1, 24 << 20}, {96 << 20, 3, 8 << 20}, {64 << 20, 3, 16 << 20 / 3}, {0, 3, stream.DefaultMemoryBytes / 4 / 3}} {
		t.Run(fmt.Sprintf("%d sinks of %d bytes", x.sinks, x.memory), func(t *testing.T) {
			f, shares, want := stream.New("shared"), map[string]int64{}, map[string]int64{}
			f.Limits.MemoryBytes = x.memory
			f.AddSource("rows", newSource())
			for i := range x.sinks {
				name := fmt.Sprint("table", i)
				want[name] = x.share
				f.AddSink(name, []string{"rows"}, noted{streamtest.NewTable().Sink(), shares}, stream.SinkOptions{})
			}
			plan, err := f.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			db, err := statestore.Open("state", statestore.DBOptions{FS: vfs.NewMem(), MemoryBytes: 8 << 20, DiskFreeBytes: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			e, err := engine.Open(t.Context(), plan, db, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, shares); diff != "" {
				t.Errorf("what each sink may hold, in bytes (-want +got):\n%s", diff)
			}
		})
	}
}
