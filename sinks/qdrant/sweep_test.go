package qdrant

import (
	"context"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/qdrant/qdranttest"
	"github.com/freshet/freshet/stream"
)

// A tombstone stays as long as late writes may come, and goes then; one whose row has come back is none.
func TestTombstonesGoInTheEnd(t *testing.T) {
	server := qdranttest.Start(t, qdranttest.Options{})
	s, err := New(Options{URL: server.URL(), Collection: "docs"})
	if err != nil {
		t.Fatal(err)
	}
	columns := []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.String}}, {Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 1}}}
	opened, err := s.Open(t.Context(), stream.Target{Flow: "flow", Sink: "sink", Instance: 1, State: "state",
		Collections: []stream.SinkCollection{{Collection: stream.Collection{Name: "docs", Schema: &cdc.Schema{Columns: columns, Key: []int{0}}}, Key: columns[:1]}}})
	if err != nil {
		t.Fatal(err)
	}
	w, ok := opened.(*writer)
	if !ok {
		t.Fatalf("it is a %T", opened)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	apply := func(epoch uint64, remove bool) {
		t.Helper()
		txn := &stream.Txn{Generation: w.progress.Generation, First: epoch, Last: epoch, Count: 2, Effects: func(yield func(stream.Effect, error) bool) {
			for _, id := range []string{"a", "b"} {
				var b cdc.RowBuilder
				b.Text(id)
				b.Vector([]float32{1})
				e := stream.Effect{Key: cdc.StringKey(id), Row: b.Build(), Version: w.progress.Generation<<40 | epoch}
				if remove || epoch == 3 && id == "b" {
					e.Delete, e.Row = true, nil
				}
				if !yield(e, nil) {
					return
				}
			}
		}}
		if err := w.Apply(context.Background(), txn); err != nil {
			t.Fatal(err)
		}
	}
	apply(1, false)
	apply(2, true)
	apply(3, false) // a is back
	now := time.Now()
	for _, test := range []struct {
		when string
		at   time.Time
		left int64
	}{{"while late writes may come", now.Add(-tombstoneTime), 1}, {"afterwards", now.Add(time.Hour), 0}} {
		if err := w.sweep(t.Context(), test.at); err != nil {
			t.Fatal(err)
		}
		gone, err := w.client.count(t.Context(), "docs", ofKind(kindGone))
		if err != nil || gone != test.left {
			t.Errorf("%s %d tombstones are left: %v", test.when, gone, err)
		}
		if rows, err := w.client.count(t.Context(), "docs", ofKind(kindRow)); err != nil || rows != 1 {
			t.Errorf("%s %d rows are left: %v", test.when, rows, err)
		}
	}
}

// Run ends with its context, whatever the server does.
func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&writer{sink: &Sink{}}).Run(ctx); err != nil {
		t.Errorf("it ends with %v", err)
	}
}
