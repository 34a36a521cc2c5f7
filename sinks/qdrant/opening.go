package qdrant

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/qdrant/go-client/qdrant"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// opening is the time in which a sink takes its collection: it makes and names it, counts its rows and fences the
// generation. Every step can come twice, so that an opening that breaks off is gone on with by the next.
type opening struct {
	sink   *Sink
	target stream.Target
	client *client
	dry    bool     // nothing is changed
	steps  []string // what was done, or would be

	vectors []int // by collection of the flow: the field with the vector
	vector  string
	dims    int

	named  string   // the collection that the alias names; empty: none
	own    *place   // of this instance
	beside *place   // of a swap's other instance
	former []*place // of this sink, by other instances and states: superseded
	fresh  bool     // own is made by this opening
}

// place is a physical collection of this sink, with its record.
type place struct {
	name   string
	record *record // nil: an opening has broken off before it wrote one
}

// open opens the target.
func (s *Sink) open(ctx context.Context, c *client, t stream.Target) (*writer, error) {
	o := &opening{sink: s, target: t, client: c}
	return o.run(ctx)
}

// run does everything in its order. A dry one ends before the generation is fenced.
func (o *opening) run(ctx context.Context) (*writer, error) {
	if err := o.lay(); err != nil {
		return nil, err
	}
	if err := o.client.greet(ctx); err != nil {
		return nil, err
	}
	if err := o.find(ctx); err != nil {
		return nil, err
	}
	if err := o.settle(ctx); err != nil {
		return nil, err
	}
	w := &writer{sink: o.sink, target: o.target, client: o.client, vectors: o.vectors, vector: o.vector, dims: o.dims}
	for i, c := range o.target.Collections {
		w.shapes = append(w.shapes, shapeOf(c.Schema.Columns, c.Hidden, o.vectors[i], c.Key))
	}
	if err := o.decide(ctx, w); err != nil {
		return nil, err
	}
	return w, o.name(ctx)
}

// lay finds the vectors of the rows.
func (o *opening) lay() error {
	for _, c := range o.target.Collections {
		at := slices.IndexFunc(c.Schema.Columns, func(c cdc.Column) bool { return c.Type.Kind == cdc.Vector })
		if at < 0 {
			return &stream.Problem{Code: "no_vector_column", Field: "columns", Message: fmt.Sprintf("the rows of %s have no vector", c.Name), Hint: "put an embed step before the sink"}
		}
		o.vectors = append(o.vectors, at)
		o.vector, o.dims = c.Schema.Columns[at].Name, c.Schema.Columns[at].Type.Dims
	}
	return nil
}

// find learns which collections are this sink's, and what the alias names.
func (o *opening) find(ctx context.Context) error {
	names, err := o.client.names(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(names, o.sink.o.Collection) {
		return &stream.Problem{Code: "collection_taken", Exit: 3, Field: "collection", Message: fmt.Sprintf("a collection %q is there, and it is not Freshet's", o.sink.o.Collection),
			Hint: "name another one: freshet writes collections of its own, and the name it is given is an alias for the present one"}
	}
	aliases, err := o.client.collections.ListAliases(ctx, &qdrant.ListAliasesRequest{})
	if err != nil {
		return fmt.Errorf("list aliases: %w", err)
	}
	for _, a := range aliases.GetAliases() {
		if a.GetAliasName() == o.sink.o.Collection {
			o.named = a.GetCollectionName()
		}
	}
	all, err := o.places(ctx, names)
	if err != nil {
		return err
	}
	for _, p := range all {
		switch r := p.record; {
		case r != nil && r.instance == o.target.Instance && r.state == o.target.State:
			o.own = p
		case o.target.Beside != 0 && r != nil && r.instance == o.target.Beside && r.state == o.target.State:
			o.beside = p
		default:
			o.former = append(o.former, p)
		}
	}
	return o.claimed(ctx, all)
}

// claimed makes sure that the alias is nobody else's.
func (o *opening) claimed(ctx context.Context, all []*place) error {
	if o.named == "" || slices.ContainsFunc(all, func(p *place) bool { return p.name == o.named }) {
		return nil
	}
	r, err := o.client.readRecord(ctx, o.named)
	if err != nil {
		return err
	}
	if r != nil && r.flow == o.target.Flow && r.sink == o.target.Sink {
		o.former = append(o.former, &place{name: o.named, record: r}) // under a name that somebody has given it
		return nil
	}
	whose := fmt.Sprintf("the alias %q is there, and names a collection that is not Freshet's", o.sink.o.Collection)
	if r != nil {
		whose = fmt.Sprintf("the collection %q belongs to the sink %s of the flow %s", o.sink.o.Collection, r.sink, r.flow)
	}
	return &stream.Problem{Code: "collection_taken", Exit: 3, Field: "collection", Message: whose, Hint: "name another collection, or drop what is there"}
}

// names lists the collections of the server.
func (c *client) names(ctx context.Context) ([]string, error) {
	reply, err := c.collections.List(ctx, &qdrant.ListCollectionsRequest{})
	if err != nil {
		return nil, fmt.Errorf("list collections: %w", err)
	}
	var names []string
	for _, d := range reply.GetCollections() {
		names = append(names, d.GetName())
	}
	return names, nil
}

// places are the physical collections of a sink, told by their names and, where there is one, by their record: those
// of the present name, and those that this very state has made under another one. The same flow may run elsewhere with
// a state and a collection of its own.
func (o *opening) places(ctx context.Context, names []string) ([]*place, error) {
	t, c := o.target, o.client
	var all []*place
	mark := "--" + t.Flow + "-" + t.Sink + "-"
	for _, name := range names {
		collection, number, ok := strings.Cut(name, mark)
		if _, err := strconv.ParseUint(number, 10, 32); !ok || err != nil {
			continue
		}
		r, err := c.readRecord(ctx, name)
		if missing(err) {
			continue // it has just gone
		}
		if err != nil {
			return nil, err
		}
		ours := r != nil && r.flow == t.Flow && r.sink == t.Sink
		if collection == o.sink.o.Collection && (r == nil || ours) || ours && r.state == t.State {
			all = append(all, &place{name: name, record: r})
		}
	}
	return all, nil
}

// do takes a step, or says what it would be.
func (o *opening) do(step string, fn func() error) error {
	o.steps = append(o.steps, step)
	if o.dry {
		return nil
	}
	if err := fn(); err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	return nil
}

// settle finds out which collection this opening has, and makes it where there is none.
func (o *opening) settle(ctx context.Context) error {
	if o.own == nil && o.beside == nil {
		if err := o.adopt(ctx); err != nil {
			return err
		}
	}
	name := physicalName(o.sink.o.Collection, o.target)
	if o.own == nil {
		for i, p := range o.former {
			if p.name != name {
				continue
			}
			// An opening has broken off, or a state that is no more had the same number for an instance of another kind.
			if err := o.clear(ctx, p); err != nil {
				return err
			}
			o.former = slices.Delete(o.former, i, i+1)
			break
		}
	}
	if o.own == nil {
		o.own, o.fresh = &place{name: name}, true
		if err := o.create(ctx, name); err != nil {
			return err
		}
	}
	return o.index(ctx)
}

// clear makes room for a collection that is made anew under its name.
func (o *opening) clear(ctx context.Context, p *place) error {
	kept, err := o.remove(ctx, p)
	if err != nil {
		return err
	}
	if kept {
		return &stream.Problem{Code: "collection_taken", Exit: 3, Field: "collection", Message: fmt.Sprintf("the collection %s is to be made anew and holds points that are not Freshet's", p.name),
			Hint: "move them to another collection, and delete this one"}
	}
	if p.name == o.named {
		o.named = "" // the alias has gone with it
	}
	return nil
}

// adopt takes over what the alias names where another state of this sink has made it just as it would be made now: its
// rows serve on while this state writes its own over them.
func (o *opening) adopt(ctx context.Context) error {
	for i, p := range o.former {
		if p.name != o.named {
			continue
		}
		info, err := o.client.collections.Get(ctx, &qdrant.GetCollectionInfoRequest{CollectionName: p.name})
		if err != nil {
			return fmt.Errorf("read collection %s: %w", p.name, err)
		}
		if o.fits(info.GetResult()) {
			o.own = p
			o.former = slices.Delete(o.former, i, i+1)
		}
		return nil
	}
	return nil
}

// decide counts the rows, says what the collection holds and writes the record, which fences the generation (I3).
func (o *opening) decide(ctx context.Context, w *writer) error {
	w.collection = o.own.name
	if o.dry && o.fresh {
		return nil
	}
	if err := o.leave(ctx); err != nil {
		return err
	}
	rows, err := o.client.count(ctx, o.own.name, ofKind(kindRow))
	if err != nil {
		return err
	}
	had := o.own.record
	mine := had != nil && had.state == o.target.State && had.instance == o.target.Instance
	next := record{flow: o.target.Flow, sink: o.target.Sink, instance: o.target.Instance, state: o.target.State, generation: o.target.Generation + 1, rows: rows}
	p := &w.progress
	if had != nil {
		next.generation = max(next.generation, had.generation+1)
	}
	for _, f := range append(slices.Clone(o.former), o.beside) {
		if f != nil && f.record != nil {
			next.generation = max(next.generation, f.record.generation+1)
		}
	}
	undone := false
	if mine {
		p.Epoch, next.position = had.epoch, had.position
		if undone, err = o.lost(ctx, had, rows); err != nil {
			return err
		}
	}
	p.Foreign = !mine && rows > 0
	p.Wiped = undone && had.epoch > 0 || p.Epoch < o.target.Epoch // I10
	if p.Wiped {
		p.Epoch = 0
	}
	if o.dry {
		return nil
	}
	next.epoch = p.Epoch
	held, err := o.client.fence(ctx, o.own.name, next)
	if err != nil {
		return err
	}
	p.Generation = held.generation
	w.record = *held
	w.rows.Store(rows)
	return nil
}

// lost reports whether rows are gone that the record tells of. A range that broke off may have deleted some: their
// tombstones are newer than the record's epoch.
func (o *opening) lost(ctx context.Context, had *record, rows int64) (bool, error) {
	if rows >= had.rows {
		return false, nil
	}
	newer := ofKind(kindGone)
	newer.MustNot = []*qdrant.Condition{qdrant.NewFilterAsCondition(upTo(version{had.generation, had.epoch}))}
	deleted, err := o.client.count(ctx, o.own.name, newer)
	if err != nil {
		return false, err
	}
	return rows+deleted < had.rows, nil
}

// leave removes rows of more collections than the flow puts here, which another state has left.
func (o *opening) leave(ctx context.Context) error {
	left := ofKind(kindRow)
	left.Must = append(left.Must, qdrant.NewRange(fieldCollection, &qdrant.Range{Gte: qdrant.PtrOf(float64(len(o.target.Collections)))}))
	n, err := o.client.count(ctx, o.own.name, left)
	if err != nil || n == 0 {
		return err
	}
	return o.do(fmt.Sprintf("delete %d points of collections that the flow does not put into %s any more", n, o.own.name), func() error {
		return o.client.write(ctx, o.own.name, remove(left))
	})
}

func remove(f *qdrant.Filter) *qdrant.PointsUpdateOperation {
	return qdrant.NewPointsUpdateDeletePoints(&qdrant.PointsUpdateOperation_DeletePoints{Points: qdrant.NewPointsSelectorFilter(f)})
}

// name has the alias name this collection, unless it is filled beside another one, and removes what is superseded.
func (o *opening) name(ctx context.Context) error {
	if o.beside == nil && o.named != o.own.name {
		if err := o.point(ctx, o.named, o.own.name); err != nil {
			return err
		}
		o.named = o.own.name
	}
	for _, f := range o.former {
		if f.name == o.named {
			continue // it serves until the swap is over
		}
		if _, err := o.remove(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// point switches the alias, in one step for whoever reads.
func (o *opening) point(ctx context.Context, from, to string) error {
	actions := []*qdrant.AliasOperations{qdrant.NewAliasCreate(o.sink.o.Collection, to)}
	if from != "" {
		actions = []*qdrant.AliasOperations{qdrant.NewAliasDelete(o.sink.o.Collection), actions[0]}
	}
	return o.do(fmt.Sprintf("point alias %s at %s", o.sink.o.Collection, to), func() error {
		_, err := o.client.collections.UpdateAliases(ctx, &qdrant.ChangeAliases{Actions: actions})
		return err
	})
}
