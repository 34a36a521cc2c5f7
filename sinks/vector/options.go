package vector

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet/freshet/sinks/vector/kernel"
	"github.com/freshet/freshet/stream"
)

// Options says what an index holds and how much it may take. Dims has no default.
type Options struct {
	// Dims is the length of every vector, 1 to 16,384. It is fixed when the index is created.
	Dims int
	// Metric is fixed when the index is created; the default is [stream.Cosine].
	Metric stream.Metric
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// MemoryBytes bounds the rows in memory and the store's cache together; a [Txn] that would need more is refused
	// with a [MemoryError]. 0 leaves the rows unbounded and gives the store 64 MiB.
	MemoryBytes int64
	// Logger receives what an operator must know and no call returns, such as a damaged codes snapshot that was
	// rebuilt. Nil discards it.
	Logger *slog.Logger
	// IVFRows is the number of rows above which maintenance partitions the index, so that a search reads a few lists
	// instead of all rows. 0 means 200,000; a negative number never partitions.
	IVFRows int
	// TargetRecall is the share of the true ten best that a search must find; maintenance measures it on live rows
	// and makes searches read as much as that takes. 0 means 0.995; 1 reads everything.
	TargetRecall float64
	// TombstoneTxns is how many later transactions a deletion is remembered for, so that a late replay of an older
	// write cannot resurrect the row. Each transaction covers at least one epoch. 0 means 100,000.
	TombstoneTxns uint64
	// Fatal is called when the disk can no longer be trusted and must not return; see statestore.Options.Fatal.
	Fatal func(code int, err error)
}

// dimsMax keeps sums of products of codes far inside 32 bits.
const dimsMax = 16384

// Validate returns every problem at once.
func (o Options) Validate() error {
	var errs []error
	if o.Dims < 1 || o.Dims > dimsMax || o.Dims > kernel.DimsMax {
		errs = append(errs, fmt.Errorf("dims is %d: want 1 to %d", o.Dims, dimsMax))
	}
	if o.Metric > stream.L2 {
		errs = append(errs, fmt.Errorf("metric is %v: want cosine, dot or l2", o.Metric))
	}
	if o.MemoryBytes < 0 {
		errs = append(errs, fmt.Errorf("memory is %d bytes: want 0 or more", o.MemoryBytes))
	}
	if o.TargetRecall < 0 || o.TargetRecall > 1 {
		errs = append(errs, fmt.Errorf("target recall is %g: want 0 to 1", o.TargetRecall))
	}
	return errors.Join(errs...)
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.IVFRows == 0 {
		o.IVFRows = 200_000
	}
	if o.TargetRecall == 0 {
		o.TargetRecall = 0.995
	}
	if o.TombstoneTxns == 0 {
		o.TombstoneTxns = 100_000
	}
	return o
}

// storeBytes is the part of the memory budget that the store gets.
func (o Options) storeBytes() int64 {
	if o.MemoryBytes == 0 {
		return 64 << 20
	}
	return min(max(o.MemoryBytes/4, 4<<20), 256<<20)
}

// rowBytes is the part of the memory budget that rows get; 0 is no bound.
func (o Options) rowBytes() int64 {
	if o.MemoryBytes == 0 {
		return 0
	}
	return max(o.MemoryBytes-o.storeBytes(), 1<<20)
}
