package qdranttest

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// pointsService is what the server does with points.
type pointsService struct {
	qdrant.UnimplementedPointsServer
	server *Server
}

// UpdateBatch writes operations one after another, up to the first that fails.
func (p *pointsService) UpdateBatch(_ context.Context, r *qdrant.UpdateBatchPoints) (*qdrant.UpdateBatchResponse, error) {
	answer := &qdrant.UpdateBatchResponse{}
	for _, o := range r.GetOperations() {
		result, err := p.server.write(r.GetCollectionName(), o, r.GetWait(), r.GetOrdering())
		if err != nil {
			return nil, err
		}
		answer.Result = append(answer.Result, result)
	}
	return answer, nil
}

// Upsert writes points.
func (p *pointsService) Upsert(_ context.Context, r *qdrant.UpsertPoints) (*qdrant.PointsOperationResponse, error) {
	o := qdrant.NewPointsUpdateUpsert(&qdrant.PointsUpdateOperation_PointStructList{Points: r.GetPoints(), UpdateFilter: r.GetUpdateFilter(), UpdateMode: r.UpdateMode})
	result, err := p.server.write(r.GetCollectionName(), o, r.GetWait(), r.GetOrdering())
	return &qdrant.PointsOperationResponse{Result: result}, err
}

// Delete deletes points.
func (p *pointsService) Delete(_ context.Context, r *qdrant.DeletePoints) (*qdrant.PointsOperationResponse, error) {
	o := qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: r.GetPoints()})
	result, err := p.server.write(r.GetCollectionName(), o, r.GetWait(), r.GetOrdering())
	return &qdrant.PointsOperationResponse{Result: result}, err
}

// write takes one operation, and the fault that waits for it.
func (s *Server) write(name string, o *qdrant.PointsUpdateOperation, wait bool, ordering *qdrant.WriteOrdering) (*qdrant.UpdateResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	strong := ordering.GetType() == qdrant.WriteOrderingType_Strong
	if !wait || !strong {
		s.wrong = append(s.wrong, fmt.Sprintf("a write with wait=%v and ordering %s", wait, ordering.GetType()))
	}
	c, err := s.find(name)
	if err != nil {
		return nil, err
	}
	if !wait {
		late := func() { _ = s.apply(c, o) } // nobody hears of its end
		if strong {
			s.waiting = append(s.waiting, late)
		} else {
			s.waiting = slices.Insert(s.waiting, 0, late)
		}
		return &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Acknowledged}, nil
	}
	s.settle()
	fault := s.spend()
	switch fault {
	case Refusing, Limited:
		return nil, fault.err()
	case Emptied:
		s.wipe()
		return nil, status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", name)
	case Partial:
		if points := o.GetUpsert().GetPoints(); len(points) > 0 {
			o = qdrant.NewPointsUpdateUpsert(&qdrant.PointsUpdateOperation_PointStructList{Points: points[:min(len(points), chunkPoints)], UpdateFilter: o.GetUpsert().GetUpdateFilter()})
		}
	}
	if err := s.apply(c, o); err != nil {
		return nil, err
	}
	if s.watch != nil {
		s.watch(c.kinds())
	}
	if fault == Unsure {
		return &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Acknowledged}, nil
	}
	return &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Completed}, fault.err()
}

func (s *Server) apply(c *collection, o *qdrant.PointsUpdateOperation) error {
	switch o := o.GetOperation().(type) {
	case *qdrant.PointsUpdateOperation_Upsert:
		return c.upsert(o.Upsert.GetPoints(), o.Upsert.GetUpdateFilter(), o.Upsert.GetUpdateMode(), s.reject)
	case *qdrant.PointsUpdateOperation_DeletePoints_:
		return c.remove(o.DeletePoints.GetPoints())
	}
	return wrongInput("an operation is not played")
}

// Watch calls fn after every write, under the server's lock, with the number of points by the text under _key that
// searches may find; nil ends it.
func (s *Server) Watch(fn func(points map[string]int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = fn
}

// kinds counts the points that have a vector, by their key.
func (c *collection) kinds() map[string]int {
	found := map[string]int{}
	for _, p := range c.points {
		if len(p.GetVectors().GetVectors().GetVectors()) > 0 {
			found[p.GetPayload()["_key"].GetStringValue()]++
		}
	}
	return found
}

// Get reads points by their ids, in no order.
func (p *pointsService) Get(_ context.Context, r *qdrant.GetPoints) (*qdrant.GetResponse, error) {
	c, release, err := p.server.hold(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	defer release()
	answer := &qdrant.GetResponse{}
	for _, id := range slices.Backward(r.GetIds()) {
		if found, ok := c.points[id.GetUuid()]; ok {
			answer.Result = append(answer.Result, retrieved(found))
		}
	}
	return answer, nil
}

// retrieved is a point as reads give it. More payload than was asked for does no harm.
func retrieved(p *qdrant.PointStruct) *qdrant.RetrievedPoint {
	clone, ok := proto.Clone(p).(*qdrant.PointStruct)
	if !ok {
		return nil
	}
	r := &qdrant.RetrievedPoint{Id: clone.GetId(), Payload: clone.GetPayload()}
	out := map[string]*qdrant.VectorOutput{}
	for name, v := range clone.GetVectors().GetVectors().GetVectors() {
		out[name] = &qdrant.VectorOutput{Vector: &qdrant.VectorOutput_Dense{Dense: v.GetDense()}}
	}
	r.Vectors = &qdrant.VectorsOutput{VectorsOptions: &qdrant.VectorsOutput_Vectors{Vectors: &qdrant.NamedVectorsOutput{Vectors: out}}}
	return r
}

// Count counts points.
func (p *pointsService) Count(_ context.Context, r *qdrant.CountPoints) (*qdrant.CountResponse, error) {
	c, release, err := p.server.hold(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	defer release()
	found, err := c.filtered(r.GetFilter())
	return &qdrant.CountResponse{Result: &qdrant.CountResult{Count: uint64(len(found))}}, err
}

// Scroll reads points in the order of their ids.
func (p *pointsService) Scroll(_ context.Context, r *qdrant.ScrollPoints) (*qdrant.ScrollResponse, error) {
	c, release, err := p.server.hold(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	defer release()
	found, err := c.filtered(r.GetFilter())
	if err != nil {
		return nil, err
	}
	answer := &qdrant.ScrollResponse{}
	for _, point := range found {
		if point.GetId().GetUuid() < r.GetOffset().GetUuid() {
			continue
		}
		if len(answer.Result) == int(r.GetLimit()) {
			answer.NextPageOffset = point.GetId()
			break
		}
		answer.Result = append(answer.Result, retrieved(point))
	}
	return answer, nil
}

// Query compares every point.
func (p *pointsService) Query(_ context.Context, r *qdrant.QueryPoints) (*qdrant.QueryResponse, error) {
	c, release, err := p.server.hold(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	defer release()
	params, ok := c.vectors[r.GetUsing()]
	if !ok {
		return nil, wrongInput("Not existing vector name error: " + r.GetUsing())
	}
	question := slices.Clone(r.GetQuery().GetNearest().GetDense().GetData())
	if len(question) != int(params.GetSize()) {
		return nil, wrongInput("Vector dimension error")
	}
	found, err := c.filtered(r.GetFilter())
	if err != nil {
		return nil, err
	}
	if params.GetDistance() == qdrant.Distance_Cosine {
		normalise(question)
	}
	answer := &qdrant.QueryResponse{}
	for _, point := range found {
		v, ok := point.GetVectors().GetVectors().GetVectors()[r.GetUsing()]
		if !ok || p.server.misses != nil && !r.GetParams().GetExact() && p.server.misses(point.GetId().GetUuid()) {
			continue
		}
		read := retrieved(point)
		answer.Result = append(answer.Result, &qdrant.ScoredPoint{Id: read.GetId(), Payload: read.GetPayload(), Score: likeness(params.GetDistance(), question, v.GetDense().GetData())})
	}
	slices.SortStableFunc(answer.Result, func(a, b *qdrant.ScoredPoint) int {
		if params.GetDistance() == qdrant.Distance_Euclid {
			a, b = b, a
		}
		switch {
		case a.GetScore() > b.GetScore():
			return -1
		case a.GetScore() < b.GetScore():
			return 1
		}
		return 0
	})
	from := min(int(r.GetOffset()), len(answer.Result))
	answer.Result = answer.Result[from:min(from+int(r.GetLimit()), len(answer.Result))]
	return answer, nil
}

// likeness is a product, or for Euclid's metric a distance.
func likeness(d qdrant.Distance, a, b []float32) float32 {
	sum := float64(0)
	for i := range a {
		if d == qdrant.Distance_Euclid {
			sum += float64(a[i]-b[i]) * float64(a[i]-b[i])
		} else {
			sum += float64(a[i]) * float64(b[i])
		}
	}
	if d == qdrant.Distance_Euclid {
		return float32(math.Sqrt(sum))
	}
	return float32(sum)
}

// CreateFieldIndex notes an index.
func (p *pointsService) CreateFieldIndex(_ context.Context, r *qdrant.CreateFieldIndexCollection) (*qdrant.PointsOperationResponse, error) {
	c, release, err := p.server.hold(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	defer release()
	c.indexes[r.GetFieldName()] = qdrant.PayloadSchemaType(r.GetFieldType() + 1)
	return &qdrant.PointsOperationResponse{Result: &qdrant.UpdateResult{Status: qdrant.UpdateStatus_Completed}}, nil
}
