package qdrant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Sink is a declared collection of a Qdrant server.
type Sink struct{ o Options }

var (
	_ stream.Sink      = (*Sink)(nil)
	_ stream.Carrier   = (*Sink)(nil)
	_ stream.Previewer = (*Sink)(nil)
	_ stream.Dropper   = (*Sink)(nil)
)

// New declares a collection. Faults are *stream.Problem.
func New(o Options) (*Sink, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	o.Index = slices.Clone(o.Index)
	return &Sink{o: o}, nil
}

// Searchable reports that an opened sink is a stream.Searcher.
func (s *Sink) Searchable() bool { return true }

// own begins the names that Freshet writes beside the columns of a row.
var own = []string{"_key", "_version", "_source", "_freshet"}

// Bind implements stream.Sink: each collection has just one vector, all of one name and length.
func (s *Sink) Bind(in []stream.Collection) (stream.Binding, error) {
	b := stream.Binding{Beside: true}
	first, dims := "", 0
	for i, c := range in {
		vector, err := stream.VectorColumn(c)
		if err != nil {
			return b, err
		}
		name, n := vector.Name, vector.Type.Dims
		if i > 0 && (n != dims || name != first) {
			return b, &stream.Problem{Code: "dims_mismatch", Field: "from", Message: fmt.Sprintf("%q has the vector %s of %d numbers, another of its inputs %s of %d", c.Name, name, n, first, dims),
				Hint: "give each model a collection of its own, or call the vectors the same with a map"}
		}
		first, dims = name, n
		for _, column := range c.Schema.Columns {
			if slices.Contains(own, column.Name) {
				return b, &stream.Problem{Code: "bad_value", Field: "columns", Message: fmt.Sprintf("%q has a column %s, which is the name of what Freshet adds", c.Name, column.Name),
					Hint: "rename it: columns: {other: row." + column.Name + "}"}
			}
		}
		b.Columns = append(b.Columns, []string{name})
		if !slices.Contains(b.Require, name) {
			b.Require = append(b.Require, name)
		}
	}
	for _, name := range s.o.Index {
		if err := indexable(in, name); err != nil {
			return b, err
		}
	}
	b.Storage = fmt.Appendf(nil, "qdrant 1 collection=%s vector=%s dims=%d metric=%s", s.o.Collection, first, dims, s.o.Metric)
	return b, nil
}

// Carries implements stream.Carrier: a collection takes its vector, whichever columns are computed beside it.
func (s *Sink) Carries(column cdc.Column) bool { return column.Type.Kind == cdc.Vector }

// indexable makes sure that some input has a column whose payload can be indexed.
func indexable(in []stream.Collection, name string) error {
	known := []string{}
	for _, c := range in {
		for _, column := range c.Schema.Columns {
			if _, ok := fieldType(column.Type); !ok {
				continue
			}
			if column.Name == name {
				return nil
			}
			known = append(known, column.Name)
		}
	}
	return &stream.Problem{Code: "unknown_column", Field: "index", Message: fmt.Sprintf("%q is no column whose payload can be indexed", name),
		Hint: "those that can: " + strings.Join(known, ", ")}
}

// Open implements stream.Sink.
func (s *Sink) Open(ctx context.Context, t stream.Target) (stream.Writer, error) {
	c, err := s.dial()
	if err != nil {
		return nil, err
	}
	w, err := s.open(ctx, c, t)
	if err != nil {
		return nil, errors.Join(s.describe(err), c.close())
	}
	return w, nil
}

// Preview implements stream.Previewer: an opening that only looks.
func (s *Sink) Preview(ctx context.Context, t stream.Target) ([]string, error) {
	c, err := s.dial()
	if err != nil {
		return nil, err
	}
	o := &opening{sink: s, target: t, client: c, dry: true}
	_, err = o.run(ctx)
	if err = errors.Join(s.describe(err), c.close()); err != nil {
		return nil, err
	}
	return o.steps, nil
}
