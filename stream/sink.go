package stream

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/freshet/freshet/cdc"
)

// Sink is a declared target. Bind is free of side effects; Open touches the target.
type Sink interface {
	// Bind checks the collections that the sink is to hold. Faults are *Problem.
	Bind(in []Collection) (Binding, error)
	// Open prepares the target (creates what is missing), takes its progress and fences the generation
	// of target.Generation or above (I3).
	Open(ctx context.Context, target Target) (Writer, error)
}

// Binding is what a sink says of itself once it knows its input.
type Binding struct {
	// Columns are those that the sink needs of each collection besides the ones that the flow names.
	Columns [][]string
	// Require names columns that a row of the target must have: a row in which one is null is not put there.
	Require []string
	// Storage is the part of the configuration that fixes how rows are stored (dimension, metric): when it
	// changes the target is built anew beside the old one.
	Storage []byte
	// Beside reports that two instances of the target can stand side by side, so that a new one is
	// filled while the old one serves (on_logic_change: swap).
	Beside bool
}

// VectorColumn finds the vector of a collection, for a sink that holds just one. A collection without any, or
// with several, is a *Problem.
func VectorColumn(c Collection) (cdc.Column, error) {
	var found []cdc.Column
	for _, column := range c.Schema.Columns {
		if column.Type.Kind == cdc.Vector {
			found = append(found, column)
		}
	}
	switch len(found) {
	case 0:
		return cdc.Column{}, &Problem{Code: "no_vector_column", Field: "from", Message: fmt.Sprintf("%q has no vector column", c.Name),
			Hint: "put an embed step before the sink, or choose a sink of rows without vectors"}
	case 1:
		return found[0], nil
	}
	return cdc.Column{}, &Problem{Code: "no_vector_column", Field: "from", Message: fmt.Sprintf("%q has the vectors %s and %s; the sink holds one", c.Name, found[0].Name, found[1].Name),
		Hint: "give each vector a sink of its own, with a map that keeps one of them"}
}

// Target is what a sink is opened for.
type Target struct {
	Flow        string
	Sink        string
	Instance    uint32           // number of the sink's instance in the state: a swap has two
	Beside      uint32           // during a swap the other instance, which this opening must leave alone; 0: there is none
	State       string           // identity of the state directory, made once
	Dir         string           // the state directory, for sinks that live in it
	Generation  uint64           // the newest generation that this state has used
	Epoch       uint64           // the newest epoch that this state knows to be applied; 0: none
	Collections []SinkCollection // what is written
	MemoryBytes int64            // what the sink may hold in memory
}

// SinkCollection is one collection as a sink receives it.
type SinkCollection struct {
	Collection
	Key    []cdc.Column // the columns that Effect.Key encodes
	Hidden int          // the last Hidden columns are there for the sink's own use and not shown to readers
}

// Progress is what a target says has been applied to it.
type Progress struct {
	// Generation is fenced for this opening: above every one that the target or the state has seen, so
	// that a new, restored or copied state can neither be refused nor overwrite (I3).
	Generation uint64
	// Epoch is the newest one that the target holds of this very state; 0 where another state wrote last.
	Epoch uint64
	// Foreign is set where the target may hold rows that another state, or a lost future of this one, has
	// written: what this state does not know is removed once it has caught up (I6).
	Foreign bool
	// Wiped is set where the target has lost rows that its progress, or the caller's, says it holds (I10):
	// all rows are written again.
	Wiped bool
	// Exact is set where the target is known to hold nothing of this state behind Epoch: it takes a range
	// whole, with its progress, or not at all.
	Exact bool
}

// Writer is an opened sink. One goroutine calls Apply; the other methods and capabilities may be
// called concurrently with it.
type Writer interface {
	// Progress is what the target held when it was opened, and the generation that is now fenced.
	Progress() Progress
	// Apply makes the effects of whole epochs durable in the target before it returns nil (I3, I8). Sinks
	// with transactions apply them in one. It may be called again with the same effects. A *RejectError
	// names an effect that the target will never take; nothing is applied then where the sink has
	// transactions. ErrFenced ends the flow, and ErrLost has it begun anew. Every other error is retried.
	Apply(ctx context.Context, txn *Txn) error
	// Close releases the target.
	Close() error
}

// Txn is a contiguous range of whole epochs for one sink.
type Txn struct {
	Generation uint64
	First      uint64 // first epoch
	Last       uint64 // last epoch: the progress to record; 0: none, some rows are tried apart
	// Effects yields the effects in order, at most one per key. It may be ranged over more than once.
	// The slices are valid until the next step of the loop.
	Effects iter.Seq2[Effect, error]
	// Count and Bytes size the effects, for sinks that choose how to write them.
	Count int
	Bytes int64
	// Shown may be called within Apply when readers of the target see the effects, by a writer that has more to do until they
	// are durable there; else that is when Apply returns.
	Shown func()
}

// Effect is an upsert or a delete of one row of the target.
type Effect struct {
	Delete     bool
	Collection int // index into Target.Collections
	Key        cdc.Key
	Row        cdc.Row // of an upsert: the columns of the SinkCollection; no references
	Version    uint64  // generation × 2^40 + epoch (I3)
	Source     string  // source position that it stems from, for people
	Time       int64   // source commit time, microseconds since 1970; 0 unknown
}

// ErrFenced says that a newer generation owns the target: this state may not write it any more.
var ErrFenced = errors.New("the target belongs to a newer generation of the state")

// ErrLost says that the target has lost rows while it was open, and can be opened anew: it is found wiped
// then, and everything is written to it again (I10).
var ErrLost = errors.New("the target has lost what was written to it")

// RejectError is a target's word that it will never take an effect.
type RejectError struct {
	Key  cdc.Key // nil where the target does not say which effect of the range it is
	Err  error
	Code string
}

// Error is the target's own word on the effect.
func (e *RejectError) Error() string { return "the sink rejects a row: " + e.Err.Error() }

// Unwrap is the error that the target gave.
func (e *RejectError) Unwrap() error { return e.Err }

// Runner is a Writer with work of its own to do while the flow runs. Run returns nil when ctx ends.
type Runner interface {
	Run(ctx context.Context) error
}

// Counter is a Writer that knows how many rows the target holds.
type Counter interface {
	Rows() int64
}

// Searcher is a Writer whose rows can be searched by vector.
type Searcher interface {
	Search(ctx context.Context, query Query) ([]Hit, error)
}

// Query is a search for the nearest rows.
type Query struct {
	Vector []float32
	K      int
	// Where keeps a row, given the index into Target.Collections and the columns of that SinkCollection, its vector
	// null; nil keeps all.
	Where func(collection int, row cdc.Row) (bool, error)
}

// Hit is a row found, best first.
type Hit struct {
	Score      float32
	Collection int // index into Target.Collections; a key is one of its rows
	Key        cdc.Key
	Row        cdc.Row // the columns of the SinkCollection; its vector is null
	Version    uint64
}

// Lister is a Writer that can name the rows which the target holds and which are Freshet's own.
type Lister interface {
	// Keys calls fn with the text form of every key, as the target stood at some moment during the call.
	Keys(ctx context.Context, fn func(collection int, key string) error) error
}

// Previewer is a Sink that can say what its Open would do to the target.
type Previewer interface {
	// Preview gives the statements that Open would run, in the target's own language, and changes nothing. An
	// error is the one that Open would end with.
	Preview(ctx context.Context, target Target) (statements []string, err error)
}

// Carrier is a Sink that takes columns which the flow does not name when it computes the columns of the rows
// (SinkOptions.Project), such as the vector that an index is made of.
type Carrier interface {
	Carries(column cdc.Column) bool
}

// Leaver is a Sink that keeps a record of who writes its target, outside of the state. Leave removes that of a flow which will not
// run again on this state, and leaves the rows as they are; what is not there is no fault. Only Flow, Sink and State of the target are set.
type Leaver interface {
	Leave(ctx context.Context, target Target) error
}

// Dropper is a Sink that can remove what it created for a target.
type Dropper interface {
	Drop(ctx context.Context, target Target) error
}
