package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/freshet/freshet/statestore"
)

// memoHits takes every row to another text and back: what is measured is the way back, whose vectors the
// memo has. The rows come in no order. Each way is booked with the compactions that it causes, and with no others.
func memoHits(ctx context.Context, s scale) ([]figure, error) {
	const dims = 384
	n := s.of(100_000)
	f := newFlow(s, dims)
	var back, title, fresh stopwatch
	var backLap, titleLap, freshLap lap
	err := f.run(ctx, func(ctx context.Context, in *feed) error {
		fresh = s.watch("new")
		sent := 0
		send := func(title, body int) error {
			if err := in.upserts(ctx, scattered(n, title, body)); err != nil {
				return err
			}
			sent += 2 * n // a chunk is named by its text: the old one goes, the new one comes
			if err := f.sink.await(ctx, sent-n); err != nil {
				return err
			}
			return f.settle(ctx)
		}
		if err := send(0, 0); err != nil {
			return err
		}
		freshLap = fresh.lap()
		if err := send(0, 1); err != nil {
			return err
		}
		back = s.watch("back")
		if err := send(0, 0); err != nil {
			return err
		}
		backLap = back.lap()
		title = s.watch("title")
		if err := in.upserts(ctx, scattered(n, 1, 0)); err != nil {
			return err
		}
		if err := f.sink.await(ctx, sent); err != nil {
			return err
		}
		err := f.settle(ctx)
		titleLap = title.lap()
		return err
	})
	if err != nil {
		return nil, err
	}
	if texts, _ := f.model.paid(); texts != 2*n {
		return nil, fmt.Errorf("measure memo hits: the model was asked for %d texts, not %d", texts, 2*n)
	}
	read, err := memoHitsRead(ctx, s, f, n)
	if err != nil {
		return nil, err
	}
	puts, err := rawPuts(filepath.Join(s.dir, "raw"), n)
	if err != nil {
		return nil, err
	}
	const beside = "synced puts of 400 B by key"
	return []figure{
		{Name: "text changed back", Value: backLap.perCore(n), Unit: "rows/s/core", Target: 100_000, CPU: backLap.cpu, Wall: backLap.wall,
			Beside: puts.perCore(n), BesideName: beside},
		{Name: "only the title changed", Value: titleLap.perCore(n), Unit: "rows/s/core", Target: 100_000, CPU: titleLap.cpu, Wall: titleLap.wall,
			Beside: puts.perCore(n), BesideName: beside},
		{Name: "the sink reads the vectors", Value: read.perCore(n), Unit: "rows/s/core", CPU: read.cpu, Wall: read.wall,
			Beside: puts.perCore(n), BesideName: beside},
		{Name: "new rows, new texts", Value: freshLap.perCore(n), Unit: "rows/s/core", CPU: freshLap.cpu, Wall: freshLap.wall,
			BesideName: fmt.Sprintf("vectors of %d numbers", dims)},
	}, nil
}

// memoHitsRead is the way back again, into a sink that looks at every vector.
func memoHitsRead(ctx context.Context, s scale, f *flow, n int) (lap, error) {
	f.sink.read = true
	var watch stopwatch
	err := f.run(ctx, func(ctx context.Context, in *feed) error {
		watch = s.watch("read")
		return in.upserts(ctx, scattered(n, 0, 1))
	})
	return watch.lap(), err
}

// rawPuts writes a record of the usual size for each key into a store of its own, in batches as large as
// an epoch, synced: a store that did nothing but keep records would cost this.
func rawPuts(dir string, n int) (_ lap, err error) {
	store, err := statestore.OpenStore(dir, statestore.Options{})
	if err != nil {
		return lap{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	const batchRows, recordBytes = 20_000, 400
	value := make([]byte, recordBytes)
	watch := startWatch()
	b := store.NewBatch()
	for i := range n {
		for k := range 8 {
			value[k*40] = byte(i >> k)
		}
		b.Put(statestore.AppendOwner(nil, statestore.Key{Space: statestore.SpaceOwners, Instance: 1, Owner: fmt.Appendf(nil, "doc-%09d", scatter(i, n))}), value)
		if b.Count() < batchRows && i < n-1 {
			continue
		}
		if err := store.Commit(b, true); err != nil {
			return lap{}, err
		}
		b.Reset()
	}
	return watch.lap(), nil
}
