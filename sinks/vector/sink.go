package vector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
)

// SinkOptions declare the embedded index as a sink of a flow.
type SinkOptions struct {
	Metric stream.Metric
	Path   string // folder of the index; empty: in the state of the flow
	Logger *slog.Logger
}

// Sink is the embedded index, declared.
type Sink struct{ o SinkOptions }

var (
	_ stream.Sink    = (*Sink)(nil)
	_ stream.Carrier = (*Sink)(nil)
	_ stream.Dropper = (*Sink)(nil)
)

// NewSink declares the embedded index as a sink.
func NewSink(o SinkOptions) *Sink { return &Sink{o: o} }

// Bind implements stream.Sink: each collection has just one vector, all of one length.
func (s *Sink) Bind(in []stream.Collection) (stream.Binding, error) {
	b := stream.Binding{Beside: true}
	dims := 0
	for _, c := range in {
		column, err := stream.VectorColumn(c)
		if err != nil {
			return b, err
		}
		name, n := column.Name, column.Type.Dims
		if dims != 0 && n != dims {
			return b, &stream.Problem{Code: "dims_mismatch", Field: "from", Message: fmt.Sprintf("%q has vectors of %d numbers, another of its inputs of %d", c.Name, n, dims),
				Hint: "give each model an index of its own"}
		}
		dims = n
		b.Columns = append(b.Columns, []string{name})
		if !slices.Contains(b.Require, name) {
			b.Require = append(b.Require, name)
		}
	}
	b.Storage = fmt.Appendf(nil, "vector 1 dims=%d metric=%s path=%s", dims, s.o.Metric, s.o.Path)
	return b, nil
}

// Carries implements stream.Carrier: an index takes its vector, whichever columns are computed beside it.
func (s *Sink) Carries(column cdc.Column) bool { return column.Type.Kind == cdc.Vector }

// dir is where an instance lies. A swap has two beside each other.
func (s *Sink) dir(t stream.Target) string {
	base := filepath.Join(t.Dir, "index", t.Sink)
	if s.o.Path != "" {
		base = s.o.Path
	}
	return filepath.Join(base, strconv.FormatUint(uint64(t.Instance), 10))
}

// Open implements stream.Sink. An index that another state has filled is begun anew: it is derived
// data, and rows that this state does not know would never leave it.
func (s *Sink) Open(ctx context.Context, t stream.Target) (stream.Writer, error) {
	w := &writer{target: t}
	for _, c := range t.Collections {
		at := slices.IndexFunc(c.Schema.Columns, func(c cdc.Column) bool { return c.Type.Kind == cdc.Vector })
		w.vectors = append(w.vectors, at)
	}
	dims := t.Collections[0].Schema.Columns[w.vectors[0]].Type.Dims
	dir := s.dir(t)
	o := Options{Dims: dims, Metric: s.o.Metric, Logger: s.o.Logger, MemoryBytes: t.MemoryBytes} // I9
	index, err := Open(dir, o)
	if err != nil {
		return nil, err
	}
	if _, epoch, state := index.Progress(); epoch > 0 && string(state) != t.State {
		if err := errors.Join(index.Close(), os.RemoveAll(dir)); err != nil {
			return nil, fmt.Errorf("begin index %s anew: %w", dir, err)
		}
		if index, err = Open(dir, o); err != nil {
			return nil, err
		}
	}
	generation, epoch, _ := index.Progress()
	w.index = index
	w.progress = stream.Progress{Generation: max(generation, t.Generation, index.Stats().Fence) + 1, Epoch: epoch, Wiped: epoch < t.Epoch}
	if err := index.Fence(ctx, w.progress.Generation); err != nil {
		return nil, errors.Join(fmt.Errorf("fence index %s: %w", dir, err), index.Close())
	}
	return w, nil
}

// Drop implements stream.Dropper: the files of the instance go.
func (s *Sink) Drop(_ context.Context, t stream.Target) error {
	if err := os.RemoveAll(s.dir(t)); err != nil {
		return fmt.Errorf("remove index: %w", err)
	}
	return nil
}

// writer is an opened index. A key is the number of the collection and the key of the row; a payload
// is the row with null in place of the vector.
type writer struct {
	index    *Index
	target   stream.Target
	vectors  []int // by collection: the field with the vector
	progress stream.Progress
}

var (
	_ stream.Counter  = (*writer)(nil)
	_ stream.Searcher = (*writer)(nil)
	_ stream.Runner   = (*writer)(nil)
)

// Progress implements stream.Writer.
func (w *writer) Progress() stream.Progress { return w.progress }

// Rows implements stream.Counter.
func (w *writer) Rows() int64 { return int64(w.index.Len()) }

// Run implements stream.Runner: it keeps the index in shape.
func (w *writer) Run(ctx context.Context) error { return w.index.Run(ctx) }

// Close implements stream.Writer.
func (w *writer) Close() error { return w.index.Close() }

// Apply implements stream.Writer.
func (w *writer) Apply(ctx context.Context, txn *stream.Txn) error {
	in := intake{x: w.index}
	if err := w.read(ctx, txn, &in); err != nil {
		return err
	}
	err := w.index.apply(ctx, &Txn{Generation: txn.Generation, Epoch: txn.Last, Progress: []byte(w.target.State), Shown: txn.Shown}, &in)
	var rows RowErrors
	var fenced *FencedError
	var full *MemoryError
	switch {
	case errors.As(err, &rows):
		return &stream.RejectError{Key: cdc.Key(rows[0].Key[1:]), Code: "sink_rejected", Err: rows[0].Err}
	case errors.As(err, &fenced):
		return errors.Join(err, stream.ErrFenced)
	case errors.As(err, &full):
		return &fullError{full}
	}
	return err
}

// partRows is how many rows of a range are encoded at a time: their vectors are in memory, and those before are not (I9).
const partRows = 512

// read takes the effects of a range in.
func (w *writer) read(ctx context.Context, txn *stream.Txn, in *intake) error {
	var builder cdc.RowBuilder
	var rows []Upsert
	for e, err := range txn.Effects {
		if err != nil {
			return err
		}
		if e.Delete {
			in.remove(w.key(nil, &e), e.Version)
			continue
		}
		if len(rows) == partRows {
			if err := in.put(ctx, rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
		at := w.vectors[e.Collection]
		builder.Reset()
		for i := range e.Row.Len() {
			if i == at {
				builder.Null()
			} else {
				builder.Value(e.Row.At(i))
			}
		}
		if len(rows) == cap(rows) {
			rows = slices.Grow(rows, 1)
		}
		rows = rows[:len(rows)+1]
		r := &rows[len(rows)-1] // with the memory of the row that stood there before
		r.Key, r.Version, r.Vector, r.Payload = w.key(r.Key[:0], &e), e.Version, e.Row.At(at).AppendVector(r.Vector[:0]), builder.Build()
	}
	return in.put(ctx, rows)
}

// key appends the key of an effect, as the index has it.
func (w *writer) key(dst []byte, e *stream.Effect) []byte {
	return append(append(dst, byte(e.Collection)), e.Key...)
}

// Search implements stream.Searcher.
func (w *writer) Search(ctx context.Context, q stream.Query) ([]stream.Hit, error) {
	query := Query{Vector: q.Vector, K: q.K}
	if q.Where != nil {
		query.Match = func(key, payload []byte) (bool, error) { return q.Where(int(key[0]), cdc.Row(payload)) }
	}
	found, err := w.index.Search(ctx, query)
	if err != nil {
		return nil, err
	}
	hits := make([]stream.Hit, len(found))
	for i := range found {
		h := &found[i]
		hits[i] = stream.Hit{Score: h.Score, Collection: int(h.Key[0]), Key: cdc.Key(h.Key[1:]), Row: cdc.Row(h.Payload), Version: h.Version}
	}
	return hits, nil
}
