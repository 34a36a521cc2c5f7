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

// sending puts points into requests that the server can take.
type sending struct {
	writer *writer
	guard  *qdrant.Filter // what a point has to be for a write to replace it
	newest version        // the same

	points  []*qdrant.PointStruct
	keys    []cdc.Key
	bytes   int
	deletes bool
	gained  int64 // rows more than before
}

// add takes a point into the next request.
func (s *sending) add(ctx context.Context, p *qdrant.PointStruct, key cdc.Key) error {
	size := proto.Size(p)
	if len(s.points) > 0 && (len(s.points) >= sendPoints || s.bytes+size > sendBytes) {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	s.points, s.keys, s.bytes = append(s.points, p), append(s.keys, bytes.Clone(key)), s.bytes+size
	return nil
}

// turn ends the upserts, or the deletes.
func (s *sending) turn(ctx context.Context) error {
	err := s.flush(ctx)
	s.deletes = true
	return err
}

// flush sends what was added.
func (s *sending) flush(ctx context.Context) error {
	if len(s.points) == 0 {
		return nil
	}
	gained, err := s.look(ctx)
	if err != nil {
		return err
	}
	if err := s.write(ctx, s.points); err != nil {
		if !refused(err) {
			return err
		}
		return s.culprit(ctx, err)
	}
	s.gained += gained
	s.points, s.keys, s.bytes = s.points[:0], s.keys[:0], 0
	return nil
}

func (s *sending) write(ctx context.Context, points []*qdrant.PointStruct) error {
	return s.writer.client.write(ctx, s.writer.collection, upsert(points, s.guard))
}

// look reads what stands under the ids of a request, together with the record: whether the collection is still ours
// (I3), and how many rows will come or go.
func (s *sending) look(ctx context.Context) (gained int64, err error) {
	ids := make([]*qdrant.PointId, 0, len(s.points)+1)
	ids = append(ids, recordID())
	for _, p := range s.points {
		ids = append(ids, p.GetId())
	}
	reply, err := s.writer.client.points.Get(ctx, &qdrant.GetPoints{CollectionName: s.writer.collection, Ids: ids,
		WithPayload: qdrant.NewWithPayloadInclude(inner), WithVectors: qdrant.NewWithVectors(false), ReadConsistency: majority()})
	if err != nil {
		return 0, fmt.Errorf("read points: %w", err)
	}
	var now *record
	if !s.deletes {
		gained = int64(len(s.points))
	}
	for _, p := range reply.GetResult() {
		kind := textAt(p.GetPayload(), "kind")
		newer := version{numberAt(p.GetPayload(), "generation"), numberAt(p.GetPayload(), "epoch")}.number() > s.newest.number()
		switch {
		case kind == kindMark:
			if now, err = recordOf(p.GetPayload()); err != nil {
				return 0, err
			}
		case kind == kindRow && (!s.deletes || !newer), kind == kindGone && newer && !s.deletes:
			gained-- // it is replaced, goes, or stays away
		}
	}
	return gained, s.writer.fenced(now)
}

// culprit finds the point that the server refuses, by halves. What it takes on the way is no harm: it is sent again.
func (s *sending) culprit(ctx context.Context, err error) error {
	points, keys := s.points, s.keys
	for len(points) > 1 {
		half := len(points) / 2
		fault := s.write(ctx, points[:half])
		switch {
		case fault == nil:
			points, keys = points[half:], keys[half:]
		case refused(fault):
			points, keys, err = points[:half], keys[:half], fault
		default:
			return fault
		}
	}
	if fault := s.write(ctx, points); fault == nil {
		return fmt.Errorf("the server takes each of %d points and not all: %w", len(s.points), err)
	} else if !refused(fault) {
		return fault
	} else {
		err = fault
	}
	return &stream.RejectError{Key: keys[0], Code: "sink_rejected", Err: err}
}
