package pgvector

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// Sink is declared tables of a PostgreSQL server.
type Sink struct {
	o       Options
	vectors bool // each table has just one vector, which is searched
}

var (
	_ stream.Sink      = (*Sink)(nil)
	_ stream.Dropper   = (*Sink)(nil)
	_ stream.Leaver    = (*Sink)(nil)
	_ stream.Previewer = (*Sink)(nil)
)

// New declares tables whose vectors are searched with the extension vector. Faults are *stream.Problem.
func New(o Options) (*Sink, error) {
	if err := o.check("pgvector"); err != nil {
		return nil, err
	}
	return &Sink{o: o.withDefaults(), vectors: true}, nil
}

// NewTable declares tables without an index over vectors. Faults are *stream.Problem.
func NewTable(o Options) (*Sink, error) {
	if err := o.check("postgres"); err != nil {
		return nil, err
	}
	return &Sink{o: o.withDefaults()}, nil
}

// Kind is the word that flow files have for the sink: pgvector, or postgres for tables without an index over vectors.
func (s *Sink) Kind() string {
	if s.vectors {
		return "pgvector"
	}
	return "postgres"
}

// Searchable reports whether an opened sink is a stream.Searcher.
func (s *Sink) Searchable() bool { return s.vectors }

// Bind implements stream.Sink.
func (s *Sink) Bind(in []stream.Collection) (stream.Binding, error) {
	b := stream.Binding{Beside: true}
	names := map[string]string{}
	for _, c := range in {
		name := s.tableOf(c.Name)
		if other, taken := names[name]; taken {
			return b, &stream.Problem{Code: "bad_value", Field: "table", Message: fmt.Sprintf("%q and %q would share the table %s", other, c.Name, name),
				Hint: "give each collection a sink of its own, or name them apart"}
		}
		names[name] = c.Name
	}
	storage := fmt.Sprintf("postgres 1 table=%s", s.o.Table)
	if s.vectors {
		var dims []int
		for _, c := range in {
			column, err := s.vectorColumn(c)
			if err != nil {
				return b, err
			}
			dims = append(dims, column.Type.Dims)
			b.Columns = append(b.Columns, []string{column.Name})
			if !slices.Contains(b.Require, column.Name) {
				b.Require = append(b.Require, column.Name)
			}
		}
		storage += fmt.Sprintf(" %s=%v", s.o.vectorType(), dims)
	}
	b.Storage = []byte(storage)
	return b, nil
}

// tableOf names the table of a collection, perhaps with its schema.
func (s *Sink) tableOf(collection string) string {
	if s.o.Table != "" {
		return s.o.Table
	}
	return collection[strings.LastIndexAny(collection, "/.")+1:]
}

// vectorColumn finds the vector that the index is made of.
func (s *Sink) vectorColumn(c stream.Collection) (cdc.Column, error) {
	column, err := stream.VectorColumn(c)
	if err != nil {
		return column, err
	}
	dims := column.Type.Dims
	if s.o.Index != None && dims > s.o.dims() {
		hint := "use index: none, or a model with shorter vectors"
		if !s.o.Half {
			hint = "use type: halfvec (up to 4000), or index: none"
		}
		return column, &stream.Problem{Code: "bad_value", Field: "index", Message: fmt.Sprintf("%q has vectors of %d numbers; an index over %s takes %d", c.Name, dims, s.o.vectorType(), s.o.dims()),
			Hint: hint}
	}
	return column, nil
}

// Open implements stream.Sink.
func (s *Sink) Open(ctx context.Context, t stream.Target) (stream.Writer, error) {
	w, err := s.open(ctx, t)
	if err != nil {
		return nil, describe(err)
	}
	for _, t := range w.tables {
		w.opened = append(w.opened, strconv.FormatUint(uint64(t.filenode), 10))
	}
	if s.vectors {
		return &index{writer: w}, nil
	}
	return w, nil
}
