package qdrant

import (
	"bytes"
	"context"
	"fmt"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/protobuf/proto"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// A request carries so many points and bytes at most (I9). A larger point goes alone.
const (
	sendPoints = 256
	sendBytes  = 2 << 20
)

// sending puts the points of a range into requests that the server can take, rows first. A small range is one question
// and one write, with the record in it.
type sending struct {
	writer *writer
	guard  *qdrant.Filter // what a point has to be for a write to replace it
	newest version        // the same

	upserts, deletes []*qdrant.PointStruct // of the next request
	keys             []cdc.Key             // theirs, in this order
	bytes            int
	gained           int64 // rows more than before the range
}

// add takes a point into the next request. No upsert comes after a delete.
func (s *sending) add(ctx context.Context, p *qdrant.PointStruct, key cdc.Key, deletes bool) error {
	size := proto.Size(p)
	if n := len(s.keys); n > 0 && (n >= sendPoints || s.bytes+size > sendBytes) {
		if err := s.send(ctx, nil); err != nil {
			return err
		}
	}
	if deletes {
		s.deletes = append(s.deletes, p)
	} else {
		s.upserts = append(s.upserts, p)
	}
	s.keys, s.bytes = append(s.keys, bytes.Clone(key)), s.bytes+size
	return nil
}

// end sends what is left, and the record behind it.
func (s *sending) end(ctx context.Context, next *record) error {
	w := s.writer
	if !w.recount {
		return s.send(ctx, next)
	}
	// A range has broken off, and nobody knows how many rows it has changed: they are counted.
	if err := s.send(ctx, nil); err != nil {
		return err
	}
	rows, err := w.client.count(ctx, w.collection, ofKind(kindRow))
	if err != nil {
		return err
	}
	next.rows = rows
	return w.client.write(ctx, w.collection, upsert([]*qdrant.PointStruct{next.point()}, w.record.held()))
}

// send looks, and sends what was added. With a record it comes last, so that it never says more than is there.
func (s *sending) send(ctx context.Context, next *record) error {
	gained, err := s.look(ctx)
	if err != nil {
		return err
	}
	s.gained += gained
	var operations []*qdrant.PointsUpdateOperation
	for _, points := range [][]*qdrant.PointStruct{s.upserts, s.deletes} {
		if len(points) > 0 {
			operations = append(operations, upsert(points, s.guard))
		}
	}
	w := s.writer
	if next != nil {
		next.rows = w.record.rows + s.gained
		if next.epoch != w.record.epoch || next.rows != w.record.rows {
			operations = append(operations, upsert([]*qdrant.PointStruct{next.point()}, w.record.held()))
		}
	}
	if len(operations) == 0 {
		return nil
	}
	if err := w.client.write(ctx, w.collection, operations...); err != nil {
		if refused(err) {
			return s.culprit(ctx, err)
		}
		return err
	}
	s.upserts, s.deletes, s.keys, s.bytes = s.upserts[:0], s.deletes[:0], s.keys[:0], 0
	return nil
}

// look reads what stands under the ids of a request, together with the record: whether the collection is still ours
// (I3), and how many rows will come or go.
func (s *sending) look(ctx context.Context) (gained int64, err error) {
	ids := make([]*qdrant.PointId, 0, len(s.keys)+1)
	ids = append(ids, recordID())
	going := make(map[[16]byte]bool, len(s.deletes))
	for _, p := range s.upserts {
		ids = append(ids, p.GetId())
	}
	for _, p := range s.deletes {
		ids = append(ids, p.GetId())
		going[shortID(p.GetId())] = true
	}
	reply, err := s.writer.client.points.Get(ctx, &qdrant.GetPoints{CollectionName: s.writer.collection, Ids: ids,
		WithPayload: qdrant.NewWithPayloadInclude(inner), WithVectors: qdrant.NewWithVectors(false), ReadConsistency: majority()})
	if err != nil {
		return 0, fmt.Errorf("read points: %w", err)
	}
	var now *record
	gained = int64(len(s.upserts))
	for _, p := range reply.GetResult() {
		kind, goes := textAt(p.GetPayload(), "kind"), going[shortID(p.GetId())]
		newer := version{numberAt(p.GetPayload(), "generation"), numberAt(p.GetPayload(), "epoch")}.number() > s.newest.number()
		switch {
		case kind == kindMark:
			if now, err = recordOf(p.GetPayload()); err != nil {
				return 0, err
			}
		case kind == kindRow && (!goes || !newer), kind == kindGone && newer && !goes:
			gained-- // it is replaced, goes, or stays away
		}
	}
	return gained, s.writer.fenced(now)
}

// culprit finds the point that the server refuses, by halves. What it takes on the way is no harm: it is sent again.
func (s *sending) culprit(ctx context.Context, err error) error {
	w := s.writer
	write := func(points []*qdrant.PointStruct) error {
		return w.client.write(ctx, w.collection, upsert(points, s.guard))
	}
	points, keys := append(s.upserts[:len(s.upserts):len(s.upserts)], s.deletes...), s.keys
	for len(points) > 1 {
		half := len(points) / 2
		fault := write(points[:half])
		switch {
		case fault == nil:
			points, keys = points[half:], keys[half:]
		case refused(fault):
			points, keys, err = points[:half], keys[:half], fault
		default:
			return fault
		}
	}
	if len(points) == 0 {
		return err // the record itself
	}
	switch fault := write(points); {
	case fault == nil:
		return fmt.Errorf("the server takes each of %d points and not all: %w", len(s.keys), err)
	case refused(fault):
		return &stream.RejectError{Key: keys[0], Code: "sink_rejected", Err: fault}
	default:
		return fault
	}
}
