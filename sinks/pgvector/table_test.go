package pgvector_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/sinks/pgvector"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// docs is a sink of one collection, id int*, body string? and, where dims says so, a vector; and what has been
// written to it.
type docs struct {
	t       testing.TB
	bed     *bed
	dims    int
	columns []cdc.Column // further ones
	target  stream.Target
	writer  stream.Writer
	epoch   uint64
}

func newDocs(t testing.TB, major, dims int, o pgvector.Options) *docs {
	t.Helper()
	declare := pgvector.NewTable
	if dims > 0 {
		declare = pgvector.New
	}
	d := &docs{t: t, bed: newBed(t, major, declare, o), dims: dims, target: stream.Target{Flow: "flow", Sink: "sink", Instance: 16, State: "state"}}
	t.Cleanup(d.close)
	return d
}

func (d *docs) schema() *cdc.Schema {
	columns := []cdc.Column{{Name: "id", Type: cdc.Type{Kind: cdc.Int64}}, {Name: "body", Type: cdc.Type{Kind: cdc.String, Nullable: true}}}
	columns = append(columns, d.columns...)
	if d.dims > 0 {
		columns = append(columns, cdc.Column{Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: d.dims}})
	}
	return &cdc.Schema{Columns: columns, Key: []int{0}}
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
	schema := d.schema()
	d.target.Collections = []stream.SinkCollection{{Collection: stream.Collection{Name: "docs", Schema: schema}, Key: schema.Columns[:1]}}
	return streamtest.Reopen(d.t, d.bed.Sink(), &d.target, &d.writer)
}

func (d *docs) close() { streamtest.Shut(d.t, &d.writer) }

// row is an effect: body is a text, nil for NULL, or absent for a delete.
type row struct {
	id     int64
	body   any
	vector []float32
	more   []func(b *cdc.RowBuilder)
}

type absent struct{}

func (d *docs) txn(epoch uint64, rows ...row) *stream.Txn {
	return streamtest.Epoch(d.target.Generation, epoch, d.effects(epoch, rows))
}

func (d *docs) effects(epoch uint64, rows []row) iter.Seq2[stream.Effect, error] {
	schema := d.schema()
	return func(yield func(stream.Effect, error) bool) {
		for _, r := range rows {
			var b cdc.RowBuilder
			b.Int64(r.id)
			switch body := r.body.(type) {
			case string:
				b.Text(body)
			default:
				b.Null()
			}
			for _, add := range r.more {
				add(&b)
			}
			for b.Len() < len(d.columns)+2 {
				b.Null()
			}
			if d.dims > 0 {
				vector := r.vector
				if vector == nil {
					vector = direction(r.id, d.dims)
				}
				b.Vector(vector)
			}
			built := b.Build()
			e := stream.Effect{Key: keyOf(d.t, built, schema.Columns[:1]), Version: d.target.Generation<<40 | epoch, Source: fmt.Sprintf("0/%X", epoch)}
			if _, e.Delete = r.body.(absent); !e.Delete {
				e.Row = built
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// direction is a vector of its own for a number.
func direction(n int64, dims int) []float32 {
	v := make([]float32, dims)
	for i := range v {
		n = n*6364136223846793005 + 1442695040888963407
		v[i] = float32(n>>40)/float32(1<<23) + 0.001
	}
	return v
}

// apply writes one epoch.
func (d *docs) apply(rows ...row) {
	d.t.Helper()
	d.epoch++
	if err := d.writer.Apply(context.Background(), d.txn(d.epoch, rows...)); err != nil {
		d.t.Fatalf("apply epoch %d: %v", d.epoch, err)
	}
	d.target.Epoch = d.epoch
}

// has holds the table against lines of id|body.
func (d *docs) has(when string, want ...string) {
	d.t.Helper()
	got := []string{}
	for _, r := range d.bed.database.Rows(d.t, "SELECT id, body FROM docs WHERE _version IS NOT NULL ORDER BY id") {
		got = append(got, r[0]+"|"+r[1])
	}
	if !slices.Equal(got, want) {
		d.t.Errorf("%s: the table has %v, want %v", when, got, want)
	}
}

// many are rows with the ids from 1 on.
func many(n int, body string) []row {
	rows := make([]row, n)
	for i := range rows {
		rows[i] = row{id: int64(i + 1), body: fmt.Sprintf("%s %d", body, i+1)}
	}
	return rows
}
