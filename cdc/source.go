package cdc

import (
	"context"
	"errors"
	"time"
)

// The types below are what a source is handed by whoever runs it. They are declared here, in the
// leaf, so that sources need not import the engine's contracts; stream.Source uses them.

// Collection is a named, typed, keyed set of rows that changes over time; what a source yields. A
// source with one collection names it "".
type Collection struct {
	Name   string
	Schema *Schema
}

// Start says where and how a source begins.
type Start struct {
	// Resume is the last durable position; empty on the first run.
	Resume Position
	// Once asks for what stands in the source now: the source returns nil when it has handed that over.
	Once bool
	// Rescan asks for the present state of every row, also of those that did not change, as Snapshot
	// changes: the logic has changed and the rows are not retained.
	Rescan bool
	// AcceptDeletes says that a person has seen what the source's guard against mass deletes holds back, and
	// wants it deleted.
	AcceptDeletes bool
	// Columns are the columns carried, by collection; a row has exactly these, in this order.
	// A nil list carries every column.
	Columns [][]int
	// Ledger holds what the source noted of its keys.
	Ledger Ledger
}

// Ledger reads what a source noted in [Change.Note], as it is durable. Safe for concurrent use.
type Ledger interface {
	// Note gives the note of a key, copied.
	Note(collection int, key Key) (note []byte, ok bool, err error)
	// Notes calls fn with the noted keys from a key on, in key order; the slices are valid during
	// the call. An error of fn ends the walk and is returned.
	Notes(collection int, from Key, fn func(key Key, note []byte) error) error
}

// Inlet takes what a source reads. It is safe for concurrent use.
type Inlet interface {
	// Put hands over a batch, whose changes may end in the middle of a transaction. It blocks while
	// there is no credit (I9) and owns the batch afterwards: a source takes its next one from Batch.
	Put(ctx context.Context, b *Batch) error
	// Batch is an empty batch to fill.
	Batch() *Batch
	// CaughtUp says that everything which stood in the source at the start has been put.
	CaughtUp(ctx context.Context) error
	// Problem says what hinders the source while it keeps trying (nil: nothing does any more);
	// it is shown in status and readiness.
	Problem(err error)
}

// ErrGap is wrapped by errors of sources that cannot go on without losing changes: a lost slot, a
// truncated topic, a folder that would lose most of its files (I10). The engine stops and shows the
// hint; nothing is confirmed or deleted.
var ErrGap = errors.New("the source's history has a gap")

// ErrReread is wrapped by errors of sources that cannot go on from where they stand, and whose flow says
// what to do about it: whoever runs them begins anew with Start.Rescan, so that what the source has no more
// is removed and what differs is written.
var ErrReread = errors.New("the source has to be read again")

// ErrChanged is wrapped by errors of sources whose collections are no longer those that the flow was
// planned with. Whoever runs the source plans anew; nothing is lost.
var ErrChanged = errors.New("the source's collections have changed")

// SourceError is a fault of a source that a user can mend.
type SourceError struct {
	Code string // a stable word, such as path_unreadable
	Err  error
	Hint string // what to do
}

func (e *SourceError) Error() string { return e.Err.Error() }
func (e *SourceError) Unwrap() error { return e.Err }

// OfFlow reports whether the flow file has to change, and nothing outside of it.
func (e *SourceError) OfFlow() bool { return e.Code == "bad_value" || e.Code == "unknown_column" }

// OptionError is an option of a source, or of what it reaches, that cannot be meant. New of a source joins one for
// each fault.
type OptionError struct {
	Option string // as flow files write it, dotted: notify.sqs
	Err    error
	Hint   string // what to do
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }
func (e *OptionError) Unwrap() error { return e.Err }

// Estimate is about how many rows there are, and about how many bytes of text they hold; below zero where nobody knows.
type Estimate struct{ Rows, Bytes int64 }

// Report is how a source stands, beside where it is.
type Report struct {
	Reading       *Reading // of first rows; nil: none are being read
	RetainedBytes int64    // of log that the other side keeps for this flow; below zero: not known
	LagBytes      int64    // of log that the flow has not confirmed; below zero: not known
	Pushes        *Pushes  // nil: nobody pushes to it
	Notices       *Notices // nil: nobody tells it of changes
}

// Notices counts what a source was told of changes since its process began, where it looks for itself at what has
// changed: what is left out here is found when everything is looked at.
type Notices struct {
	Taken      int64 // keys to look at
	Repeated   int64 // keys that were told before, or are older than what was looked at
	Unreadable int64 // messages that are no notification
	Foreign    int64 // keys of another place
	Outside    int64 // keys that the source does not read
}

// Pushes counts what was pushed to a source since its process began.
type Pushes struct {
	Requests   int64 // that carried something to take
	Taken      int64 // and are durable
	Repeated   int64 // of those taken: sent before by their producer
	Refused    int64 // for what they hold or lack: whoever sent them has to change something
	TurnedAway int64 // for want of room or time: whoever sent them comes again
}

// Reading is how far the first rows of a source are read.
type Reading struct {
	Collection    string        // the table, or what else is read just now, by the name that people know
	Rows          int64         // read in this run
	RowsPerSecond float64       // in the mean
	Done          float64       // from 0 to 1, of what was to be read when this run began
	Left          time.Duration // at this rate; 0: not known
}
