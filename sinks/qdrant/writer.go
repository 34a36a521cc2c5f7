package qdrant

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/stream"
)

// writer is an opened sink.
type writer struct {
	sink       *Sink
	target     stream.Target
	client     *client
	collection string // the physical one, which keeps its name when the alias comes to it
	vectors    []int  // by collection of the flow: the field with the vector
	vector     string // its name
	dims       int
	shapes     []shape
	progress   stream.Progress
	rows       atomic.Int64

	record  record // as the collection holds it; belongs to Apply
	recount bool   // a range has broken off: nobody knows how many rows there are
}

var (
	_ stream.Counter  = (*writer)(nil)
	_ stream.Lister   = (*writer)(nil)
	_ stream.Runner   = (*writer)(nil)
	_ stream.Searcher = (*writer)(nil)
)

// Progress implements stream.Writer.
func (w *writer) Progress() stream.Progress { return w.progress }

// Rows implements stream.Counter.
func (w *writer) Rows() int64 { return w.rows.Load() }

// Close implements stream.Writer.
func (w *writer) Close() error { return w.client.close() }

// Apply implements stream.Writer: rows, then tombstones, then the record. What comes again changes nothing (I3).
func (w *writer) Apply(ctx context.Context, txn *stream.Txn) error {
	if txn.Generation < w.progress.Generation {
		return fmt.Errorf("write %s: generation %d, the collection has %d: %w", w.target.Sink, txn.Generation, w.progress.Generation, stream.ErrFenced)
	}
	err := w.apply(ctx, txn)
	if err == nil {
		return nil
	}
	w.recount = true
	var reject *stream.RejectError
	if errors.As(err, &reject) || errors.Is(err, stream.ErrFenced) {
		return err
	}
	if missing(err) {
		return fmt.Errorf("write %s: %w: %w", w.target.Sink, err, stream.ErrLost) // I10
	}
	return fmt.Errorf("write %s: %w", w.target.Sink, err)
}

func (w *writer) apply(ctx context.Context, txn *stream.Txn) error {
	r, err := w.survey(txn)
	if err != nil {
		return err
	}
	s := &sending{writer: w, guard: upTo(r.newest), newest: r.newest}
	for _, deletes := range []bool{false, true} { // old rows go once those are there that replace them (I8)
		if err := w.stream(ctx, txn, r, s, deletes); err != nil {
			return err
		}
	}
	next := w.record
	next.epoch = max(next.epoch, txn.Last)
	if r.position != "" && txn.Last > 0 {
		next.position = r.position
	}
	if err := s.end(ctx, &next); err != nil {
		return err
	}
	w.record, w.recount = next, false
	w.rows.Store(next.rows)
	return nil
}

// surveyed is what a range comes to.
type surveyed struct {
	last     map[[16]byte]int // by id: the number of the effect that counts
	newest   version
	position string
}

// survey reads the effects once, before anything is written.
func (w *writer) survey(txn *stream.Txn) (*surveyed, error) {
	r := &surveyed{last: make(map[[16]byte]int, txn.Count)}
	n := 0
	for e, err := range txn.Effects {
		if err != nil {
			return nil, err
		}
		n++
		if w.known(txn, &e) {
			continue
		}
		r.last[rowID(e.Collection, e.Key)] = n
		if v := versionOf(e.Version); v.number() > r.newest.number() {
			r.newest = v
		}
		r.position = e.Source
	}
	return r, nil
}

// known reports whether the collection has an effect, and perhaps newer ones (I3).
func (w *writer) known(txn *stream.Txn, e *stream.Effect) bool {
	return txn.Last > 0 && e.Version&epochMask <= w.record.epoch
}

// stream sends the upserts of a range, or its deletes.
func (w *writer) stream(ctx context.Context, txn *stream.Txn, r *surveyed, s *sending, deletes bool) error {
	now, n := time.Now(), 0
	for e, err := range txn.Effects {
		if err != nil {
			return err
		}
		n++
		if e.Delete != deletes || w.known(txn, &e) {
			continue
		}
		id := ID(e.Collection, e.Key)
		point := qdrant.NewID(id)
		if r.last[shortID(point)] != n {
			continue // a later effect of the key counts
		}
		made := tombstone(&e, point, now)
		if !deletes {
			if made, err = w.point(&e, point); err != nil {
				return err
			}
		}
		if err := s.add(ctx, made, e.Key, deletes); err != nil {
			return err
		}
	}
	return nil
}

// fenced makes sure that the collection is still this opening's.
func (w *writer) fenced(now *record) error {
	switch {
	case now == nil:
		return fmt.Errorf("its record is gone: %w", stream.ErrLost) // I10
	case now.holder != w.record.holder || now.generation != w.record.generation:
		return fmt.Errorf("write %s: generation %d, the collection has %d: %w", w.target.Sink, w.progress.Generation, now.generation, stream.ErrFenced)
	}
	return nil
}

// Keys implements stream.Lister.
func (w *writer) Keys(ctx context.Context, fn func(collection int, key string) error) error {
	var from *qdrant.PointId
	for {
		page, err := w.client.points.Scroll(ctx, &qdrant.ScrollPoints{CollectionName: w.collection, Filter: ofKind(kindRow), Offset: from, Limit: qdrant.PtrOf(uint32(keysPage)),
			WithPayload: qdrant.NewWithPayloadInclude("_key", fieldCollection), WithVectors: qdrant.NewWithVectors(false), ReadConsistency: majority()})
		if err != nil {
			return fmt.Errorf("list keys: %w", err)
		}
		for _, p := range page.GetResult() {
			if err := fn(int(numberAt(p.GetPayload(), "collection")), p.GetPayload()["_key"].GetStringValue()); err != nil {
				return err
			}
		}
		if from = page.GetNextPageOffset(); from == nil {
			return nil
		}
	}
}

// keysPage is how many keys are listed at a time.
const keysPage = 1000

// Tombstones are kept so long after they were written, and removed so often. A write that comes later than that
// can bring back what was deleted, if it was sent by a process that has been replaced; its own deadline is shorter.
const (
	tombstoneTime = 15 * time.Minute
	sweepEvery    = time.Minute
)

// Run implements stream.Runner: it removes tombstones that have done their work.
func (w *writer) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := w.sweep(ctx, time.Now().Add(-tombstoneTime)); err != nil && ctx.Err() == nil {
			w.sink.o.Logger.Warn("tombstones cannot be removed yet", "sink", w.target.Sink, "err", err)
		}
	}
}

func (w *writer) sweep(ctx context.Context, before time.Time) error {
	old := ofKind(kindGone)
	old.Must = append(old.Must, qdrant.NewRange(fieldSince, &qdrant.Range{Lt: qdrant.PtrOf(float64(before.Unix()))}))
	return w.client.write(ctx, w.collection, remove(old))
}
