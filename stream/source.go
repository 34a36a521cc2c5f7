package stream

import (
	"context"

	"github.com/freshet/freshet/cdc"
)

// Collection is a named, typed, keyed set of rows that changes over time. Sources name theirs without
// this package, so it is declared in cdc.
type Collection = cdc.Collection

// Source yields the changes of its collections. The engine calls Collections when the flow is
// planned and Run once per start; Confirm is called from another goroutine while Run runs.
type Source interface {
	// Collections introspects what the source yields. A source with one collection names it "".
	Collections(ctx context.Context) ([]Collection, error)
	// Run reads from start on and puts changes into out until ctx ends (it returns nil then), the
	// source is exhausted (start.Once), or it meets what only a user can mend (a *cdc.SourceError,
	// or an error that wraps cdc.ErrGap). It retries everything else itself, with back-off, and
	// tells out.Problem. All goroutines that it starts are gone when it returns.
	Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error
}

// Confirmer is a Source that wants to know what is durable (I1): everything up to position will
// never be asked for again. Calls come in order, from one goroutine.
type Confirmer interface {
	Confirm(ctx context.Context, position cdc.Position) error
}

// Describer is a Source that can write its positions for people.
type Describer interface {
	Describe(cdc.Position) string
}

// Rescanner is a Source that can read its rows again at any time (cdc.Start.Rescan), so that rows
// need not be retained for a later change of logic.
type Rescanner interface {
	Rescans() bool
}

// Rereader is a Source that reads everything again when a person, or the source itself by cdc.ErrReread,
// asks for it (cdc.Start.Rescan), and which is not to be asked for any lesser reason: what it gives then may
// be less than what it gave before, since its log forgets.
type Rereader interface {
	Rereads() bool
}

// Estimator is a Source that knows about how many rows its collections have, and how large they are, without reading them.
//
// Estimates gives an estimate for each collection that Collections names, in that order: how many rows a first run would about
// read of it. Zero means none, a number below zero that the source does not know. A number is shown to people and
// decides nothing: it may be old, may be off in both directions, and leaves out what a condition on the rows does.
//
// It may be called at any time, before, during and after Run, also by several at once, and without Collections before it. Each call
// asks the source's server anew, in a session of its own that ends with it, makes nothing there, and lasts no longer than ctx.
// There are all numbers or an error; one of reaching the server is a *cdc.SourceError.
type Estimator interface {
	Estimates(ctx context.Context) ([]cdc.Estimate, error)
}

// Reporter is a Source that can say how it stands: how far its first rows are read, and how much of its log is kept for
// the flow. Report may be called at any time, also while the source does not run, and does not wait for anybody.
type Reporter interface {
	Report() cdc.Report
}

// Prober is a Source, or a Sink, that can look at what it needs without reading rows: whether it can be reached, and has the
// rights. It says what it found; the error is a *cdc.SourceError, of a Sink a *Problem.
type Prober interface {
	Probe(ctx context.Context) (found string, err error)
}

// Resumable is a Source whose log may have parted from what a state holds while nobody ran. It says, without reading rows and
// without making anything, whether a run could go on from a position; the empty one is that of a flow that never ran. The
// error is the one that Run would end with.
type Resumable interface {
	Resumes(ctx context.Context, from cdc.Position) (found string, err error)
}

// Unfinished is a Source whose position tells whether its first rows have all been read.
type Unfinished interface {
	Unfinished(from cdc.Position) (bool, error)
}

// Tenant is a Source that has made something where it reads, such as a replication slot. Drop removes it, for
// a flow that will not run again; what is not there is no fault.
type Tenant interface {
	Drop(ctx context.Context) error
}

// Sparse is a Source whose changes may leave out values that did not change (cdc.Unchanged). Its rows are
// retained to fill them in, although it can read them again.
type Sparse interface {
	Sparse() bool
}

// Parser is a Source that can read a position as people write it: the position that [Describer] would
// write so. Positions at or behind it hold all that the source had committed by then.
type Parser interface {
	ParsePosition(text string) (cdc.Position, error)
}

// Partitioned is a Parser whose log has several orders side by side, such as the partitions of a topic or the tables
// whose first rows are read beside a log, so that the bytes of two positions do not tell whether one lies behind the other.
type Partitioned interface {
	// Reached reports whether whoever stands at a position has taken everything up to want.
	Reached(at, want cdc.Position) bool
	// Covers reports whether the change that stands at origin lies before want.
	Covers(want, origin cdc.Position) bool
}

// Abridger is a Source whose positions say more than where a change stands, such as what is held of each table. Origin is
// the part of a position that is kept with every row that came of it: it covers the same positions, and orders before the
// whole one.
type Abridger interface {
	Origin(at cdc.Position) cdc.Position
}
