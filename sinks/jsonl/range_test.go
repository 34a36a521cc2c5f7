package jsonl_test

import (
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// opened opens a log of rows owner string*.
func opened(t testing.TB, l *log, target stream.Target) stream.Writer {
	t.Helper()
	return openedFor(t, l, target, "c")
}

// openedFor opens a log for collections of these names.
func openedFor(t testing.TB, l *log, target stream.Target, names ...string) stream.Writer {
	t.Helper()
	column := cdc.Column{Name: "owner", Type: cdc.Type{Kind: cdc.String}}
	for _, name := range names {
		target.Collections = append(target.Collections, stream.SinkCollection{Key: []cdc.Column{column},
			Collection: stream.Collection{Name: name, Schema: &cdc.Schema{Key: []int{0}, Columns: []cdc.Column{column}}}})
	}
	w, err := l.Sink().Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// txn is an epoch that puts one row.
func txn(w stream.Writer, epoch uint64, owner string) *stream.Txn {
	var b cdc.RowBuilder
	b.Text(owner)
	generation := w.Progress().Generation
	e := stream.Effect{Key: cdc.StringKey(owner), Row: b.Build(), Version: generation<<40 | epoch}
	return &stream.Txn{Generation: generation, First: epoch, Last: epoch, Count: 1,
		Effects: func(yield func(stream.Effect, error) bool) { yield(e, nil) }}
}

func write(t testing.TB, w stream.Writer, epoch uint64, owner string) {
	t.Helper()
	if err := w.Apply(t.Context(), txn(w, epoch, owner)); err != nil {
		t.Fatal(err)
	}
}
