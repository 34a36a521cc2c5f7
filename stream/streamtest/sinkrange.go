package streamtest

import (
	"context"
	"fmt"
	"iter"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// sinkCollections are the collections that a case writes: owner string*, part int*, text string?, number
// float?, and a hidden vector where the target wants one.
func sinkCollections(traits SinkTraits, n int) []stream.SinkCollection {
	var all []stream.SinkCollection
	for i := range n {
		columns := []cdc.Column{{Name: "owner", Type: cdc.Type{Kind: cdc.String}}, {Name: "part", Type: cdc.Type{Kind: cdc.Int64}},
			{Name: "text", Type: cdc.Type{Kind: cdc.String, Nullable: true}}, {Name: "number", Type: cdc.Type{Kind: cdc.Float64, Nullable: true}}}
		c := stream.SinkCollection{Key: columns[:2:2]}
		if traits.Vector {
			columns = append(columns, cdc.Column{Name: "vector", Type: cdc.Type{Kind: cdc.Vector, Dims: 4}})
			c.Hidden = 1
		}
		c.Collection = stream.Collection{Name: fmt.Sprintf("c%d", i), Schema: &cdc.Schema{Columns: columns, Key: []int{0, 1}}}
		all = append(all, c)
	}
	return all
}

// sinkRow is a row of a case; a nil text or number is null.
type sinkRow struct {
	collection int
	owner      string
	part       int64
	text       *string
	number     *float64
	remove     bool
}

func textRow(owner string, part int64, text string) sinkRow {
	return sinkRow{owner: owner, part: part, text: &text}
}

func (r *sinkRow) key() cdc.Key {
	key := cdc.StringKey(r.owner)
	var b cdc.RowBuilder
	b.Int64(r.part)
	key, err := cdc.AppendKeyValue(key, cdc.Int64, b.Build().At(0))
	if err != nil {
		panic(err) // an integer is keyable
	}
	return key
}

func (r *sinkRow) row(traits SinkTraits) cdc.Row {
	var b cdc.RowBuilder
	b.Text(r.owner)
	b.Int64(r.part)
	if r.text != nil {
		b.Text(*r.text)
	} else {
		b.Null()
	}
	if r.number != nil {
		b.Float64(*r.number)
	} else {
		b.Null()
	}
	if traits.Vector {
		b.Vector([]float32{1 + float32(len(r.owner)), float32(r.part), -1, 0.5})
	}
	return b.Build()
}

// sinkEpoch is one epoch with its effects.
type sinkEpoch struct {
	number uint64
	rows   []sinkRow
}

// apply writes whole epochs as one range, and checks the target afterwards.
func (c *sinkCase) apply(epochs ...sinkEpoch) {
	c.t.Helper()
	if err := c.try(context.Background(), c.generation, epochs...); err != nil {
		c.t.Fatalf("apply epochs %d to %d: %v", epochs[0].number, epochs[len(epochs)-1].number, err)
	}
	c.learn(epochs...)
}

// learn has the model know what the target was told.
func (c *sinkCase) learn(epochs ...sinkEpoch) {
	for _, e := range epochs {
		c.epoch = max(c.epoch, e.number)
		for i := range e.rows {
			r := &e.rows[i]
			if r.remove {
				delete(c.rows, c.name(r))
				continue
			}
			schema := c.collections[r.collection].Schema
			json := "{" + string(cdc.AppendFieldsJSON(nil, schema.Columns[:4], r.row(c.traits))) + "}"
			c.rows[c.name(r)] = Row{JSON: json, Version: c.generation<<40 | e.number}
		}
	}
}

func (c *sinkCase) name(r *sinkRow) string { return r.key().Text() }

// try hands a range to the writer.
func (c *sinkCase) try(ctx context.Context, generation uint64, epochs ...sinkEpoch) error {
	return c.writer.Apply(ctx, c.txn(generation, epochs...))
}

func (c *sinkCase) txn(generation uint64, epochs ...sinkEpoch) *stream.Txn {
	effects := c.effects(generation, epochs)
	t := &stream.Txn{Generation: generation, First: epochs[0].number, Last: epochs[len(epochs)-1].number, Effects: effects}
	for e := range effects {
		t.Count++
		t.Bytes += int64(len(e.Row) + len(e.Key))
	}
	return t
}

// effects yields rows whose memory is used again for the next one, as the contract allows.
func (c *sinkCase) effects(generation uint64, epochs []sinkEpoch) iter.Seq2[stream.Effect, error] {
	return func(yield func(stream.Effect, error) bool) {
		var key, row []byte
		for _, epoch := range epochs {
			for i := range epoch.rows {
				r := &epoch.rows[i]
				key = append(key[:0], r.key()...)
				e := stream.Effect{Delete: r.remove, Collection: r.collection, Key: key, Version: generation<<40 | epoch.number,
					Source: fmt.Sprint(epoch.number), Time: int64(epoch.number)}
				if !r.remove {
					row = append(row[:0], r.row(c.traits)...)
					e.Row = row
				}
				if !yield(e, nil) {
					return
				}
				clear(key)
				clear(row)
			}
		}
	}
}

// verify holds the target against the model, versions included.
func (c *sinkCase) verify(when string) {
	c.t.Helper()
	got, err := c.harness.Rows(c.writer)
	if err != nil {
		c.t.Fatalf("%s: read the target: %v", when, err)
	}
	if diff := cmp.Diff(c.rows, got); diff != "" {
		c.t.Fatalf("%s: the target differs (-want +got):\n%.4000s", when, diff)
	}
	if counter, ok := c.writer.(stream.Counter); ok && counter.Rows() != int64(len(got)) {
		c.t.Fatalf("%s: the writer counts %d rows, the target has %d", when, counter.Rows(), len(got))
	}
	if lister, ok := c.writer.(stream.Lister); ok {
		c.verifyKeys(when, lister, got)
	}
}

func (c *sinkCase) verifyKeys(when string, lister stream.Lister, rows map[string]Row) {
	c.t.Helper()
	listed := map[string]bool{}
	err := lister.Keys(context.Background(), func(_ int, key string) error {
		listed[key] = true
		return nil
	})
	if err != nil {
		c.t.Fatalf("%s: list keys: %v", when, err)
	}
	for key := range rows {
		if !listed[key] {
			c.t.Fatalf("%s: the key %q is not listed", when, key)
		}
	}
	if len(listed) != len(rows) {
		c.t.Fatalf("%s: %d keys are listed of %d rows", when, len(listed), len(rows))
	}
}
