package qdrant

import (
	"context"
	"fmt"

	"github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/stream"
)

// The first page of a search with a condition, and the largest: pages grow while too few rows are kept.
const (
	pageLeast = 64
	pageMost  = 1024
)

// Search implements stream.Searcher. The server gives candidates in the order of their distance until there are enough
// that the condition keeps. Where its index gives fewer than there are, all points are compared: a search never finds
// less than there is.
func (w *writer) Search(ctx context.Context, q stream.Query) ([]stream.Hit, error) {
	hits, whole, err := w.walk(ctx, q, false)
	if err == nil && len(hits) < q.K && !whole {
		hits, _, err = w.walk(ctx, q, true)
	}
	if err != nil {
		return nil, w.sink.describe(err)
	}
	return hits, nil
}

// walk reads pages of candidates. whole reports that every row was among them.
func (w *writer) walk(ctx context.Context, q stream.Query, exact bool) (hits []stream.Hit, whole bool, err error) {
	page := q.K
	if q.Where != nil {
		page = max(pageLeast, 2*q.K)
	}
	page = min(page, pageMost)
	seen := map[[16]byte]bool{}
	for offset := 0; len(hits) < q.K; {
		reply, err := w.client.points.Query(ctx, &qdrant.QueryPoints{CollectionName: w.collection, Query: qdrant.NewQueryDense(q.Vector), Using: qdrant.PtrOf(w.vector),
			Filter: ofKind(kindRow), Limit: qdrant.PtrOf(uint64(page)), Offset: qdrant.PtrOf(uint64(offset)),
			Params: &qdrant.SearchParams{Exact: qdrant.PtrOf(exact), HnswEf: qdrant.PtrOf(uint64(max(128, 2*(offset+page))))}, WithPayload: qdrant.NewWithPayload(true)})
		if err != nil {
			return nil, false, fmt.Errorf("search %s: %w", w.collection, err)
		}
		found := reply.GetResult()
		for _, p := range found {
			if id := shortID(p.GetId()); seen[id] || len(hits) == q.K {
				continue
			} else {
				seen[id] = true
			}
			hit, keep, err := w.hit(p, q)
			if err != nil {
				return nil, false, err
			}
			if keep {
				hits = append(hits, hit)
			}
		}
		if len(found) < page {
			n, err := w.client.count(ctx, w.collection, ofKind(kindRow))
			return hits, int64(len(seen)) >= n, err
		}
		offset += page
		page = min(2*page, pageMost)
	}
	return hits, false, nil
}

// hit decodes a point, and asks whether it is wanted.
func (w *writer) hit(p *qdrant.ScoredPoint, q stream.Query) (hit stream.Hit, keep bool, err error) {
	i := int(numberAt(p.GetPayload(), "collection"))
	if i < 0 || i >= len(w.shapes) {
		return hit, false, nil // of a collection that the flow does not put here any more
	}
	row, err := w.shapes[i].row(p.GetPayload())
	if err != nil {
		return hit, false, fmt.Errorf("read point %s: %w", p.GetId().GetUuid(), err)
	}
	if q.Where != nil {
		if keep, err = q.Where(i, row); err != nil || !keep {
			return hit, false, err
		}
	}
	key, err := w.shapes[i].keyOf(p.GetPayload())
	if err != nil {
		return hit, false, fmt.Errorf("read the key of point %s: %w", p.GetId().GetUuid(), err)
	}
	return stream.Hit{Score: scoreOf(w.sink.o.Metric, p.GetScore()), Collection: i, Key: key, Row: row, Version: uint64(p.GetPayload()["_version"].GetIntegerValue())}, true, nil
}
