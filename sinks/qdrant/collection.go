package qdrant

import (
	"context"
	"fmt"
	"strings"

	"github.com/qdrant/go-client/qdrant"
)

// create makes a physical collection. Its vectors have names, since a point may then lack one.
func (o *opening) create(ctx context.Context, name string) error {
	p := o.sink.o
	params := &qdrant.VectorParams{Size: uint64(o.dims), Distance: distanceOf(p.Metric)}
	said := []string{fmt.Sprintf("%s: %d numbers, %s", o.vector, o.dims, p.Metric)}
	request := &qdrant.CreateCollection{CollectionName: name}
	if p.OnDisk {
		params.OnDisk = qdrant.PtrOf(true)
		said = append(said, "on disk")
	}
	if p.M > 0 || p.EfConstruct > 0 {
		params.HnswConfig = &qdrant.HnswConfigDiff{M: positive(p.M), EfConstruct: positive(p.EfConstruct)}
		said = append(said, fmt.Sprintf("hnsw m=%d ef_construct=%d", p.M, p.EfConstruct))
	}
	switch p.Quantization {
	case Scalar:
		params.QuantizationConfig = qdrant.NewQuantizationScalar(&qdrant.ScalarQuantization{Type: qdrant.QuantizationType_Int8, AlwaysRam: qdrant.PtrOf(true)})
	case Binary:
		params.QuantizationConfig = qdrant.NewQuantizationBinary(&qdrant.BinaryQuantization{AlwaysRam: qdrant.PtrOf(true)})
	}
	if p.Quantization != Full {
		said = append(said, "quantization "+p.Quantization.String())
	}
	if p.Shards > 0 {
		request.ShardNumber = qdrant.PtrOf(p.Shards)
		said = append(said, fmt.Sprintf("%d shards", p.Shards))
	}
	if p.Replicas > 0 {
		request.ReplicationFactor = qdrant.PtrOf(p.Replicas)
		said = append(said, fmt.Sprintf("%d replicas", p.Replicas))
	}
	request.VectorsConfig = qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{o.vector: params})
	return o.do(fmt.Sprintf("create collection %s (%s)", name, strings.Join(said, "; ")), func() error {
		_, err := o.client.collections.Create(ctx, request)
		return err
	})
}

func positive(n uint64) *uint64 {
	if n == 0 {
		return nil
	}
	return &n
}

// fits reports whether a collection is made as this sink makes it.
func (o *opening) fits(info *qdrant.CollectionInfo) bool {
	params := info.GetConfig().GetParams().GetVectorsConfig().GetParamsMap().GetMap()[o.vector]
	return params.GetSize() == uint64(o.dims) && params.GetDistance() == distanceOf(o.sink.o.Metric)
}

// index makes the indexes of payload that are missing: those that the sink's own conditions go by, and those that the
// flow wants.
func (o *opening) index(ctx context.Context) error {
	have := map[string]*qdrant.PayloadSchemaInfo{}
	if !o.fresh {
		info, err := o.client.collections.Get(ctx, &qdrant.GetCollectionInfoRequest{CollectionName: o.own.name})
		if err != nil {
			return fmt.Errorf("read collection %s: %w", o.own.name, err)
		}
		have = info.GetResult().GetPayloadSchema()
	}
	for _, want := range o.indexes() {
		if _, ok := have[want.name]; ok {
			continue
		}
		err := o.do(fmt.Sprintf("create payload index on %s of %s (%s)", want.name, o.own.name, fieldName(want.kind)), func() error {
			_, err := o.client.points.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{CollectionName: o.own.name, FieldName: want.name,
				FieldType: qdrant.PtrOf(want.kind), Wait: qdrant.PtrOf(true), Ordering: strong()})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fieldIndex is an index of payload.
type fieldIndex struct {
	name string
	kind qdrant.FieldType
}

// indexes are those that a collection has. A server may refuse conditions on what is not indexed (strict mode).
func (o *opening) indexes() []fieldIndex {
	all := []fieldIndex{{fieldKind, qdrant.FieldType_FieldTypeKeyword}, {fieldHolder, qdrant.FieldType_FieldTypeKeyword},
		{fieldGeneration, qdrant.FieldType_FieldTypeInteger}, {fieldEpoch, qdrant.FieldType_FieldTypeInteger}, {fieldCollection, qdrant.FieldType_FieldTypeInteger}, {fieldSince, qdrant.FieldType_FieldTypeInteger}}
	seen := map[string]bool{}
	for _, name := range o.sink.o.Index {
		for _, c := range o.target.Collections {
			at := c.Schema.Index(name)
			if at < 0 || seen[name] {
				continue
			}
			if kind, ok := fieldType(c.Schema.Columns[at].Type); ok {
				seen[name] = true
				all = append(all, fieldIndex{name, kind})
			}
		}
	}
	return all
}

// remove removes a physical collection; one that holds points of others is kept, without ours.
func (o *opening) remove(ctx context.Context, p *place) (kept bool, err error) {
	others := &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewMatchKeywords(fieldKind, kindRow, kindGone, kindMark)}}
	n, err := o.client.count(ctx, p.name, others)
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if n > 0 {
		return true, o.do(fmt.Sprintf("delete Freshet's points from %s, which holds %d of others", p.name, n), func() error {
			o.sink.o.Logger.Warn("a collection that is used no more stays: points are in it that are not Freshet's", "collection", p.name, "points", n)
			return o.client.write(ctx, p.name, remove(ofKind(kindRow, kindGone, kindMark)))
		})
	}
	return false, o.do("delete collection "+p.name, func() error {
		_, err := o.client.collections.Delete(ctx, &qdrant.DeleteCollection{CollectionName: p.name})
		if missing(err) {
			return nil
		}
		return err
	})
}
