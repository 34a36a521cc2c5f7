package streamtest

import (
	"context"
	"iter"
	"testing"

	"github.com/freshet/freshet/stream"
)

// Reopen closes what a test has open of a sink and opens it as the next process does, which knows the generation of the
// one before.
func Reopen(t testing.TB, sink stream.Sink, target *stream.Target, writer *stream.Writer) (stream.Progress, error) {
	t.Helper()
	Shut(t, writer)
	w, err := sink.Open(context.Background(), *target)
	if err != nil {
		return stream.Progress{}, err
	}
	*writer, target.Generation = w, w.Progress().Generation
	return w.Progress(), nil
}

// Shut closes what a test has open of a sink, if anything.
func Shut(t testing.TB, writer *stream.Writer) {
	t.Helper()
	if *writer == nil {
		return
	}
	if err := (*writer).Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	*writer = nil
}

// Epoch is the transaction of one epoch. It ranges over the effects once, to size them.
func Epoch(generation, epoch uint64, effects iter.Seq2[stream.Effect, error]) *stream.Txn {
	txn := &stream.Txn{Generation: generation, First: epoch, Last: epoch, Effects: effects}
	for e := range effects {
		txn.Count++
		txn.Bytes += int64(len(e.Row) + len(e.Key))
	}
	return txn
}
