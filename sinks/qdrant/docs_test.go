package qdrant_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"

	client "github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/qdrant"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// docs is a sink of one collection, id int*, body string? and a hidden vector, and what has been written to it.
type docs struct {
	t       testing.TB
	bed     *bed
	dims    int
	columns []cdc.Column // further ones
	target  stream.Target
	writer  stream.Writer
	epoch   uint64
}

func newDocs(t testing.TB, o qdrant.Options) *docs {
	t.Helper()
	d := &docs{t: t, bed: newBed(t, o), dims: 3, target: stream.Target{Flow: "flow", Sink: "sink", Instance: 16, State: "state"}}
	t.Cleanup(d.close)
	return d
}

func (d *docs) collection() stream.SinkCollection {
	columns := append([]cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "body", Type: cdc.Type{Kind: cdc.String, Nullable: true}}}, d.columns...)
	columns = append(columns, cdc.Column{Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: d.dims}})
	return stream.SinkCollection{Collection: stream.Collection{Name: "docs", Schema: &cdc.Schema{Columns: columns, Key: []int{0}}}, Key: columns[:1], Hidden: 1}
}

// open opens the sink as a process does that starts.
func (d *docs) open() stream.Progress {
	d.t.Helper()
	p, err := d.tryOpen()
	if err != nil {
		d.t.Fatalf("open: %v", err)
	}
	return p
}

func (d *docs) tryOpen() (stream.Progress, error) {
	d.t.Helper()
	d.target.Collections = []stream.SinkCollection{d.collection()}
	return streamtest.Reopen(d.t, d.bed.Sink(), &d.target, &d.writer)
}

func (d *docs) close() { streamtest.Shut(d.t, &d.writer) }

// row is an effect: body is a text, nil for null, or absent for a delete.
type row struct {
	id     int64
	body   any
	vector []float32
	more   func(b *cdc.RowBuilder)
}

type absent struct{}

func (d *docs) txn(epoch uint64, rows ...row) *stream.Txn {
	return streamtest.Epoch(d.target.Generation, epoch, d.effects(epoch, rows))
}

func (d *docs) effects(epoch uint64, rows []row) iter.Seq2[stream.Effect, error] {
	schema, generation := d.collection().Schema, d.target.Generation
	return func(yield func(stream.Effect, error) bool) {
		for _, r := range rows {
			var b cdc.RowBuilder
			b.Int64(r.id)
			if body, ok := r.body.(string); ok {
				b.Text(body)
			} else {
				b.Null()
			}
			if r.more != nil {
				r.more(&b)
			}
			for b.Len() < len(d.columns)+2 {
				b.Null()
			}
			if vector := r.vector; vector != nil {
				b.Vector(vector)
			} else {
				b.Vector(direction(r.id, d.dims))
			}
			whole := b.Build()
			key, err := schema.AppendKey(nil, whole)
			e := stream.Effect{Key: key, Row: whole, Version: generation<<40 | epoch, Source: fmt.Sprintf("at %d", epoch)}
			if _, gone := r.body.(absent); gone {
				e.Delete, e.Row = true, nil
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// direction is a vector of its own for every id up to a thousand or so.
func direction(id int64, dims int) []float32 {
	v := make([]float32, dims)
	angle := float64(id) / 1000
	v[0], v[1] = float32(math.Cos(angle)), float32(math.Sin(angle))
	return v
}

func (d *docs) apply(rows ...row) {
	d.t.Helper()
	d.epoch++
	if err := d.writer.Apply(context.Background(), d.txn(d.epoch, rows...)); err != nil {
		d.t.Fatalf("apply epoch %d: %v", d.epoch, err)
	}
	d.target.Epoch = d.epoch
}

func many(from, to int64, body string) []row {
	var rows []row
	for id := from; id < to; id++ {
		rows = append(rows, row{id: id, body: fmt.Sprintf("%s %d", body, id)})
	}
	return rows
}

// held are the rows that a reader finds under the collection's name, `id|body`.
func (d *docs) held() []string {
	d.t.Helper()
	points, err := d.bed.all(d.bed.options.Collection)
	if err != nil {
		d.t.Fatalf("read: %v", err)
	}
	var rows []string
	for _, p := range points {
		if len(p.GetVectors().GetVectors().GetVectors()) == 0 {
			continue
		}
		rows = append(rows, fmt.Sprintf("%d|%s", p.GetPayload()["id"].GetIntegerValue(), p.GetPayload()["body"].GetStringValue()))
	}
	slices.Sort(rows)
	return rows
}

func (d *docs) has(when string, want ...string) {
	d.t.Helper()
	if got := d.held(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		d.t.Fatalf("%s there is %q, not %q", when, got, want)
	}
	if n := d.writer.(stream.Counter).Rows(); n != int64(len(want)) {
		d.t.Fatalf("%s %d rows are counted of %d", when, n, len(want))
	}
}

func (d *docs) search(vector []float32, k int, where func(cdc.Row) (bool, error)) []stream.Hit {
	d.t.Helper()
	query := stream.Query{Vector: vector, K: k}
	if where != nil {
		query.Where = func(_ int, row cdc.Row) (bool, error) { return where(row) }
	}
	hits, err := d.writer.(stream.Searcher).Search(context.Background(), query)
	if err != nil {
		d.t.Fatalf("search: %v", err)
	}
	return hits
}

// alias is the physical collection that a name stands for.
func (d *docs) alias(name string) string {
	d.t.Helper()
	all, err := d.bed.collections.ListAliases(context.Background(), &client.ListAliasesRequest{})
	if err != nil {
		d.t.Fatal(err)
	}
	for _, a := range all.GetAliases() {
		if a.GetAliasName() == name {
			return a.GetCollectionName()
		}
	}
	return ""
}

// foreign puts a point into a collection that is nobody's but the user's.
func (d *docs) foreign(collection string) {
	d.t.Helper()
	_, err := d.bed.points.Upsert(context.Background(), &client.UpsertPoints{CollectionName: collection, Wait: client.PtrOf(true), Ordering: &client.WriteOrdering{Type: client.WriteOrderingType_Strong},
		Points: []*client.PointStruct{{Id: client.NewID("11111111-1111-4111-8111-111111111111"), Payload: client.NewValueMap(map[string]any{"id": 4711, "body": "foreign"}),
			Vectors: client.NewVectorsMap(map[string]*client.Vector{"vector": client.NewVectorDense(direction(999, d.dims))})}}})
	if err != nil {
		d.t.Fatal(err)
	}
}
