package stream

import "reflect"

// CollectionOf is a [Collection] of a flow, seen as values of a struct type. Each exported field of T is a
// column:
//
//	type Doc struct {
//		Path  string `freshet:"path,key"` // named by its tag
//		Title *string                     // the column title, which may be null
//		Due   time.Time `freshet:",date"` // the column due, of type date
//	}
//
// The column is the name in the tag or the field's own in snake case. Behind the name a tag may say key,
// decimal or json (of a string), date (of a time.Time) and dims=384 (of a []float32); "-" leaves a field
// out. Go types stand for those of package cdc: bool, the integers, float64, string, []byte, time.Time (in
// whole microseconds), [16]byte (a UUID), json.RawMessage, []float32 and [n]float32 (a vector), slices,
// structs, and pointers where null is allowed. The fields of an embedded struct count as T's own.
//
// A collection may have more columns than T has fields. T is what a function reads, and its fields alone
// count for what has to be computed anew: a function whose T lacks a column is not run again when just
// that column changes.
//
// Whether T fits is found out when the flow is planned. A CollectionOf is a name; the zero value is of no
// use.
type CollectionOf[T any] struct {
	flow *Flow
	name string
}

// Name is the collection's name in its flow.
func (c CollectionOf[T]) Name() string { return c.name }

// From declares a source and gives its collection. Of a source with several, see [As].
func From[T any](f *Flow, name string, s Source) CollectionOf[T] {
	f.AddSource(name, s)
	return As[T](f, name)
}

// As gives a collection of a flow by name: one that is declared elsewhere, such as in a flow file, one
// of several of a source (shop.orders), or one that is to be seen as another type.
func As[T any](f *Flow, name string) CollectionOf[T] { return CollectionOf[T]{flow: f, name: name} }

// Apply declares a step of any operator and gives its output, seen as U:
//
//	chunks := stream.Apply[Chunk](docs, "chunks", split, stream.StepOptions{})
func Apply[U, T any](in CollectionOf[T], name string, op Operator, o StepOptions) CollectionOf[U] {
	in.flow.AddStep(name, in.name, op, o)
	return As[U](in.flow, name)
}

// Into declares a sink of a collection. Where the options name no columns the target holds those of T,
// and besides them what the sink cannot be without, such as the vector of an index.
func Into[T any](rows CollectionOf[T], name string, s Sink, o SinkOptions) {
	r, err := compileRecord(reflect.TypeFor[T]())
	if err == nil && o.Columns == nil && o.Project == nil {
		o.Columns = r.names()
	}
	checked := checkedSink[T]{Sink: s, from: rows.name}
	if d, ok := s.(Dropper); ok {
		rows.flow.AddSink(name, []string{rows.name}, droppedSink[T]{checked, d}, o)
		return
	}
	rows.flow.AddSink(name, []string{rows.name}, checked, o)
}

// checkedSink makes sure that the rows are what they are said to be before they reach a sink.
type checkedSink[T any] struct {
	Sink
	from string
}

// Unwrap is the sink itself.
func (s checkedSink[T]) Unwrap() Sink { return s.Sink }

// Bind implements [Sink].
func (s checkedSink[T]) Bind(in []Collection) (Binding, error) {
	if len(in) == 1 && in[0].Name == s.from { // not computed columns
		if _, err := NewDecoder[T](s.from, in[0].Schema); err != nil {
			return Binding{}, err
		}
	}
	return s.Sink.Bind(in)
}

// droppedSink is a checkedSink whose sink can remove what it made.
type droppedSink[T any] struct {
	checkedSink[T]
	Dropper
}
