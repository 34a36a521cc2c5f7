package qdranttest

import (
	"context"
	"maps"
	"slices"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// collectionsService is what the server does with collections and aliases.
type collectionsService struct {
	qdrant.UnimplementedCollectionsServer
	server *Server
}

// Create makes a collection.
func (c *collectionsService) Create(_ context.Context, r *qdrant.CreateCollection) (*qdrant.CollectionOperationResponse, error) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.GetCollectionName()
	if _, ok := s.collections[name]; ok {
		return nil, status.Errorf(codes.AlreadyExists, "Wrong input: Collection `%s` already exists!", name)
	}
	if _, ok := s.aliases[name]; ok {
		return nil, wrongInput("Can't create collection with name " + name + ". Alias with the same name already exists")
	}
	vectors := r.GetVectorsConfig().GetParamsMap().GetMap()
	if p := r.GetVectorsConfig().GetParams(); p != nil {
		vectors = map[string]*qdrant.VectorParams{"": p}
	}
	s.collections[name] = &collection{request: r, vectors: vectors, points: map[string]*qdrant.PointStruct{}, indexes: map[string]qdrant.PayloadSchemaType{}}
	return &qdrant.CollectionOperationResponse{Result: true}, nil
}

// Get tells how a collection was made.
func (c *collectionsService) Get(_ context.Context, r *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.find(r.GetCollectionName())
	if err != nil {
		return nil, err
	}
	schema := map[string]*qdrant.PayloadSchemaInfo{}
	for name, kind := range found.indexes {
		schema[name] = &qdrant.PayloadSchemaInfo{DataType: kind}
	}
	return &qdrant.GetCollectionInfoResponse{Result: &qdrant.CollectionInfo{Status: qdrant.CollectionStatus_Green, PayloadSchema: schema,
		PointsCount: qdrant.PtrOf(uint64(len(found.points))), Config: &qdrant.CollectionConfig{Params: &qdrant.CollectionParams{VectorsConfig: found.request.GetVectorsConfig()},
			HnswConfig: found.request.GetHnswConfig(), QuantizationConfig: found.request.GetQuantizationConfig()}}}, nil
}

// List names the collections.
func (c *collectionsService) List(context.Context, *qdrant.ListCollectionsRequest) (*qdrant.ListCollectionsResponse, error) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := &qdrant.ListCollectionsResponse{}
	for _, name := range slices.Sorted(maps.Keys(s.collections)) {
		answer.Collections = append(answer.Collections, &qdrant.CollectionDescription{Name: name})
	}
	return answer, nil
}

// Delete removes a collection, and its aliases with it.
func (c *collectionsService) Delete(_ context.Context, r *qdrant.DeleteCollection) (*qdrant.CollectionOperationResponse, error) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.collections[r.GetCollectionName()]
	delete(s.collections, r.GetCollectionName())
	maps.DeleteFunc(s.aliases, func(_, to string) bool { return to == r.GetCollectionName() })
	return &qdrant.CollectionOperationResponse{Result: ok}, nil
}

// UpdateAliases takes all actions or none.
func (c *collectionsService) UpdateAliases(_ context.Context, r *qdrant.ChangeAliases) (*qdrant.CollectionOperationResponse, error) {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(s.aliases)
	for _, action := range r.GetActions() {
		switch a := action.GetAction().(type) {
		case *qdrant.AliasOperations_CreateAlias:
			if _, ok := s.collections[a.CreateAlias.GetCollectionName()]; !ok {
				return nil, status.Errorf(codes.NotFound, "Not found: Collection `%s` doesn't exist!", a.CreateAlias.GetCollectionName())
			}
			if _, ok := s.collections[a.CreateAlias.GetAliasName()]; ok {
				return nil, wrongInput("Collection `" + a.CreateAlias.GetAliasName() + "` already exists!")
			}
			next[a.CreateAlias.GetAliasName()] = a.CreateAlias.GetCollectionName()
		case *qdrant.AliasOperations_DeleteAlias:
			if _, ok := next[a.DeleteAlias.GetAliasName()]; !ok {
				return nil, status.Errorf(codes.NotFound, "Not found: Alias %s does not exists!", a.DeleteAlias.GetAliasName())
			}
			delete(next, a.DeleteAlias.GetAliasName())
		default:
			return nil, wrongInput("an action is not played")
		}
	}
	s.aliases = next
	return &qdrant.CollectionOperationResponse{Result: true}, nil
}

// ListAliases lists all aliases.
func (c *collectionsService) ListAliases(context.Context, *qdrant.ListAliasesRequest) (*qdrant.ListAliasesResponse, error) {
	return c.aliases(""), nil
}

// ListCollectionAliases lists those of one collection.
func (c *collectionsService) ListCollectionAliases(_ context.Context, r *qdrant.ListCollectionAliasesRequest) (*qdrant.ListAliasesResponse, error) {
	return c.aliases(r.GetCollectionName()), nil
}

func (c *collectionsService) aliases(of string) *qdrant.ListAliasesResponse {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := &qdrant.ListAliasesResponse{}
	for _, name := range slices.Sorted(maps.Keys(s.aliases)) {
		if of == "" || s.aliases[name] == of {
			answer.Aliases = append(answer.Aliases, &qdrant.AliasDescription{AliasName: name, CollectionName: s.aliases[name]})
		}
	}
	return answer
}
