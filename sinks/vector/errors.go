package vector

import (
	"errors"
	"fmt"

	"github.com/freshet/freshet/stream"
)

// What a row's vector can be refused for, inside a [RowError] or from Search.
var (
	// ErrZeroVector: a vector of length 0 has no direction. Delete the row or give it a vector.
	ErrZeroVector = errors.New("vector has length zero")
	// ErrNotFinite: a NaN or an infinity in the vector; the model or the decoding before it is wrong.
	ErrNotFinite = errors.New("vector holds NaN or infinity")
	// ErrOutOfRange: the squared length is outside 1e-30 to 1e30, which dot and l2 cannot score.
	ErrOutOfRange = errors.New("vector is too long or too short to score")
	// ErrNoKey: a row without a key.
	ErrNoKey = errors.New("key is empty")
)

// ErrClosed: the index, or the view, was closed before the call.
var ErrClosed = errors.New("vector index is closed")

// DimsError says that a vector has another length than the index.
type DimsError struct{ Got, Want int }

func (e *DimsError) Error() string {
	return fmt.Sprintf("vector has %d dimensions, the index has %d", e.Got, e.Want)
}

// RowError says why one row of a [Txn] was refused.
type RowError struct {
	Key []byte
	Err error
}

func (e *RowError) Error() string { return fmt.Sprintf("row %q: %v", e.Key, e.Err) }

// Unwrap returns the cause.
func (e *RowError) Unwrap() error { return e.Err }

// RowErrors lists every row that made the index refuse a [Txn]; nothing of it was applied.
type RowErrors []*RowError

func (e RowErrors) Error() string {
	if len(e) == 1 {
		return e[0].Error()
	}
	return fmt.Sprintf("%v (and %d more rows)", e[0], len(e)-1)
}

// Unwrap returns the single errors, so that errors.As finds the first.
func (e RowErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, row := range e {
		errs[i] = row
	}
	return errs
}

// ConfigError says that an index on disk was created with another configuration than it is opened with. Vectors of
// another model or metric need an index of their own.
type ConfigError struct {
	Dir               string
	Field             string // "dims", "metric" or "encoding"
	Stored, Requested string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("open vector index %s: %s is %s on disk, %s was asked for", e.Dir, e.Field, e.Stored, e.Requested)
}

// Hint says what to do.
func (e *ConfigError) Hint() string {
	return "give the new model or metric a path of its own and backfill it; the old index stays as it is"
}

// FencedError says that a writer of an older generation was refused (I3): a newer one has taken over.
type FencedError struct{ Generation, Fence uint64 }

func (e *FencedError) Error() string {
	return fmt.Sprintf("write as generation %d: generation %d has taken over the index", e.Generation, e.Fence)
}

// Hint says what to do.
func (e *FencedError) Hint() string {
	return "stop this process: another one, started later, writes this index"
}

// MemoryError says that a [Txn] would take the index over its memory budget (I9). Nothing of it was applied.
type MemoryError struct{ Need, Limit int64 } // bytes

func (e *MemoryError) Error() string {
	return fmt.Sprintf("grow vector index: needs %s, memory is limited to %s", stream.Bytes(e.Need), stream.Bytes(e.Limit))
}

// fullError is a MemoryError as the sink of a flow tells it.
type fullError struct{ *MemoryError }

func (e *fullError) Error() string { return e.MemoryError.Error() + ", its share of limits.memory" }

// Unwrap gives what a person reads, who has to act, and the error of the index.
func (e *fullError) Unwrap() []error {
	return []error{&stream.Problem{Code: "index_full", Message: e.Error(), Hint: e.Hint(), Exit: 1}, e.MemoryError}
}

// Hint says what to do in the words of a flow file.
func (e *fullError) Hint() string {
	return fmt.Sprintf("raise limits.memory: with %d times as much the index has room for the rows that wait now; or keep fewer rows, or shorter vectors", e.Need/max(e.Limit, 1)+1)
}

// Hint says what to do.
func (e *MemoryError) Hint() string {
	return "raise the index's memory, or delete rows; about dims × 1.7 + 100 bytes a row are needed"
}
