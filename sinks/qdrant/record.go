package qdrant

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/stream"
)

// record says who writes a collection, and what it holds.
type record struct {
	flow, sink string
	instance   uint32
	state      string
	generation uint64
	epoch      uint64
	rows       int64
	holder     string // the opening that has fenced the generation
	position   string // source position of the last effect, for people
}

// recordFormat is that of the records that are written here. Newer ones are refused, not guessed at.
const recordFormat = 1

// strong has writes of a collection take one order, through one leader, and be there when they are answered.
func strong() *qdrant.WriteOrdering {
	return &qdrant.WriteOrdering{Type: qdrant.WriteOrderingType_Strong}
}

// majority has a read see what a majority of the replicas holds.
func majority() *qdrant.ReadConsistency {
	return qdrant.NewReadConsistencyType(qdrant.ReadConsistencyType_Majority)
}

// readRecord reads the record of a collection; nil: it has none.
func (c *client) readRecord(ctx context.Context, collection string) (*record, error) {
	reply, err := c.points.Get(ctx, &qdrant.GetPoints{CollectionName: collection, Ids: []*qdrant.PointId{recordID()},
		WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(false), ReadConsistency: majority()})
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	for _, p := range reply.GetResult() {
		return recordOf(p.GetPayload())
	}
	return nil, nil
}

func recordOf(p map[string]*qdrant.Value) (*record, error) {
	if format := numberAt(p, "format"); format > recordFormat {
		return nil, &stream.Problem{Code: "state_newer", Exit: 3, Field: "collection", Message: fmt.Sprintf("the collection has a record of format %d; this freshet reads %d", format, recordFormat),
			Hint: "run the version of freshet that wrote it, or a later one"}
	}
	if textAt(p, "kind") != kindMark {
		return nil, nil
	}
	return &record{flow: textAt(p, "flow"), sink: textAt(p, "sink"), instance: uint32(numberAt(p, "instance")), state: textAt(p, "state"),
		generation: numberAt(p, "generation"), epoch: numberAt(p, "epoch"), rows: int64(numberAt(p, "rows")),
		holder: textAt(p, "holder"), position: textAt(p, "position")}, nil
}

// point is the record as a point without a vector.
func (r *record) point() *qdrant.PointStruct {
	return &qdrant.PointStruct{Id: recordID(), Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{}), Payload: map[string]*qdrant.Value{
		inner: qdrant.NewValueFromFields(map[string]*qdrant.Value{
			"kind": text(kindMark), "format": qdrant.NewValueInt(recordFormat), "flow": text(r.flow), "sink": text(r.sink),
			"instance": qdrant.NewValueInt(int64(r.instance)), "state": text(r.state), "generation": qdrant.NewValueInt(int64(r.generation)),
			"epoch": qdrant.NewValueInt(int64(r.epoch)), "rows": qdrant.NewValueInt(r.rows), "holder": text(r.holder), "position": text(r.position),
			"applied": text(time.Now().UTC().Format(time.RFC3339)),
		}),
	}}
}

// held is the condition that a record is still that of an opening.
func (r *record) held() *qdrant.Filter {
	return &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt(fieldGeneration, int64(r.generation)), qdrant.NewMatchKeyword(fieldHolder, r.holder)}}
}

// fenceTries bounds how often an opening that others overtake begins again.
const fenceTries = 8

// errOvertaken is the end of an opening that others have overtaken again and again.
var errOvertaken = errors.New("other openings take the collection at the same time")

// fence writes a record over one of a smaller generation and makes sure that it is there: of two openings that write
// the same generation the server keeps the first (I3).
func (c *client) fence(ctx context.Context, collection string, r record) (*record, error) {
	for range fenceTries {
		r.holder = rand.Text()
		below := &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange(fieldGeneration, &qdrant.Range{Lt: qdrant.PtrOf(float64(r.generation))})}}
		if err := c.write(ctx, collection, upsert([]*qdrant.PointStruct{r.point()}, below)); err != nil {
			return nil, fmt.Errorf("fence generation %d: %w", r.generation, err)
		}
		now, err := c.readRecord(ctx, collection)
		if err != nil {
			return nil, err
		}
		if now != nil && now.holder == r.holder {
			return now, nil
		}
		if now != nil {
			r.generation = max(r.generation, now.generation) + 1
		}
	}
	return nil, errOvertaken
}

func upsert(points []*qdrant.PointStruct, condition *qdrant.Filter) *qdrant.PointsUpdateOperation {
	return qdrant.NewPointsUpdateUpsert(&qdrant.PointsUpdateOperation_PointStructList{Points: points, UpdateFilter: condition})
}

// write applies operations in their order and waits until readers see them. After an error some may be there.
func (c *client) write(ctx context.Context, collection string, operations ...*qdrant.PointsUpdateOperation) error {
	reply, err := c.points.UpdateBatch(ctx, &qdrant.UpdateBatchPoints{CollectionName: collection, Wait: qdrant.PtrOf(true), Operations: operations, Ordering: strong()})
	if err != nil {
		return err
	}
	for _, r := range reply.GetResult() {
		if r.GetStatus() != qdrant.UpdateStatus_Completed {
			return fmt.Errorf("write to %s: the server answers %s", collection, r.GetStatus())
		}
	}
	return nil
}

// count counts points.
func (c *client) count(ctx context.Context, collection string, f *qdrant.Filter) (int64, error) {
	reply, err := c.points.Count(ctx, &qdrant.CountPoints{CollectionName: collection, Filter: f, Exact: qdrant.PtrOf(true), ReadConsistency: majority()})
	if err != nil {
		return 0, fmt.Errorf("count points: %w", err)
	}
	return int64(reply.GetResult().GetCount()), nil
}

// ofKind keeps the points of some kinds.
func ofKind(kinds ...string) *qdrant.Filter {
	return &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeywords(fieldKind, kinds...)}}
}

// physicalName is the name of a collection of points.
func physicalName(collection string, t stream.Target) string {
	return collection + "--" + t.Flow + "-" + t.Sink + "-" + strconv.FormatUint(uint64(t.Instance), 10)
}
