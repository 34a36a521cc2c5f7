package qdranttest

import (
	"bytes"
	"math"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// collection is a set of points in memory.
type collection struct {
	request *qdrant.CreateCollection
	vectors map[string]*qdrant.VectorParams
	points  map[string]*qdrant.PointStruct
	indexes map[string]qdrant.PayloadSchemaType
}

// chunkPoints is how many points the server writes at a time.
const chunkPoints = 32

func wrongInput(message string) error {
	return status.Error(codes.InvalidArgument, "Wrong input: "+message)
}

// find gives a collection by its name or alias.
func (s *Server) find(name string) (*collection, error) {
	if to, ok := s.aliases[name]; ok {
		name = to
	}
	c, ok := s.collections[name]
	if !ok {
		return nil, status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", name)
	}
	return c, nil
}

// hold gives a collection to one call alone, until it is released.
func (s *Server) hold(name string) (c *collection, release func(), err error) {
	s.mu.Lock()
	if c, err = s.find(name); err != nil {
		s.mu.Unlock()
		return nil, nil, err
	}
	return c, s.mu.Unlock, nil
}

// upsert writes points in chunks. After an error, chunks before it are there.
func (c *collection) upsert(points []*qdrant.PointStruct, condition *qdrant.Filter, mode qdrant.UpdateMode, reject func(id string) bool) error {
	for chunk := range slices.Chunk(points, chunkPoints) {
		for _, p := range chunk {
			if err := c.check(p); err != nil {
				return err
			}
			if reject != nil && reject(p.GetId().GetUuid()) {
				return wrongInput("scripted")
			}
		}
		for _, p := range chunk {
			id := p.GetId().GetUuid()
			had, exists := c.points[id]
			switch {
			case exists && mode == qdrant.UpdateMode_InsertOnly, !exists && mode == qdrant.UpdateMode_UpdateOnly:
				continue
			case exists && condition != nil:
				keeps, err := meets(had, condition)
				if err != nil {
					return err
				}
				if !keeps {
					continue
				}
			}
			c.points[id] = c.stored(p)
		}
	}
	return nil
}

// check looks at the vectors and the id of a point.
func (c *collection) check(p *qdrant.PointStruct) error {
	if _, uuid := p.GetId().GetPointIdOptions().(*qdrant.PointId_Uuid); !uuid || len(p.GetId().GetUuid()) != 36 {
		return wrongInput("the id of a point is a UUID here")
	}
	for name, v := range p.GetVectors().GetVectors().GetVectors() {
		params, ok := c.vectors[name]
		if !ok {
			return wrongInput("Not existing vector name error: " + name)
		}
		if n := len(v.GetDense().GetData()); n != int(params.GetSize()) {
			return status.Errorf(codes.InvalidArgument, "Wrong input: Vector dimension error: expected dim: %d, got %d", params.GetSize(), n)
		}
	}
	if p.GetVectors().GetVector() != nil {
		return wrongInput("Not existing vector name error: ")
	}
	return nil
}

// stored is a point as the server keeps it: vectors of cosine with length one.
func (c *collection) stored(p *qdrant.PointStruct) *qdrant.PointStruct {
	kept, ok := proto.Clone(p).(*qdrant.PointStruct)
	if !ok {
		return p
	}
	for name, v := range kept.GetVectors().GetVectors().GetVectors() {
		if c.vectors[name].GetDistance() == qdrant.Distance_Cosine {
			normalise(v.GetDense().GetData())
		}
	}
	return kept
}

func normalise(x []float32) {
	sum := float64(0)
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	if length := math.Sqrt(sum); length > 0 {
		for i := range x {
			x[i] = float32(float64(x[i]) / length)
		}
	}
}

// remove deletes points by id, or those that a filter keeps.
func (c *collection) remove(s *qdrant.PointsSelector) error {
	for _, id := range s.GetPoints().GetIds() {
		delete(c.points, id.GetUuid())
	}
	if f := s.GetFilter(); f != nil {
		found, err := c.filtered(f)
		if err != nil {
			return err
		}
		for _, p := range found {
			delete(c.points, p.GetId().GetUuid())
		}
	}
	return nil
}

// filtered are the points that a filter keeps, in the order of their ids.
func (c *collection) filtered(f *qdrant.Filter) ([]*qdrant.PointStruct, error) {
	var found []*qdrant.PointStruct
	for _, p := range c.points {
		keeps, err := meets(p, f)
		if err != nil {
			return nil, err
		}
		if keeps {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *qdrant.PointStruct) int {
		return bytes.Compare([]byte(a.GetId().GetUuid()), []byte(b.GetId().GetUuid()))
	})
	return found, nil
}
