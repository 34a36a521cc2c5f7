package stream

import "github.com/freshet/freshet/cdc"

// Operator is declared logic. Bind is called more than once while a flow is planned: it must be free
// of side effects.
type Operator interface {
	// Bind checks the logic against the schema of the input and yields a [Mapper] or a [Caller].
	// keep tells which columns of the output anyone reads: a bound operator carries its key columns
	// and just those. Faults are *Problem, or several joined by errors.Join.
	Bind(in *cdc.Schema, keep func(column string) bool) (Bound, error)
}

// Bound is an operator bound to its input. It is immutable and safe for concurrent use.
type Bound interface {
	// Schema is that of the output.
	Schema() *cdc.Schema
	// Reads names the input columns that the logic itself reads, passed-on columns apart.
	Reads() []string
	// Logic is the operator's kind, its version and its normalised configuration: all that its
	// output depends on besides the input. It never holds secrets or addresses.
	Logic() []byte
}

// Selective is a Bound with columns that a sink holds only where it names them: positions, which move
// when a neighbour does and would make every later row be written again. Columns that a step passes
// on keep this, unless the step is Selective itself: then its own word holds.
type Selective interface {
	OnDemand() []string
}

// Mapper is cheap, deterministic logic: one input row yields any number of output rows.
type Mapper interface {
	Bound
	// Map gives the output rows of one input row to out. An error rejects the row: it becomes a
	// dead letter, and what its owner had written behind this step is removed (I6).
	Map(in cdc.Row, out *Rows) error
}

// Caller is expensive or non-deterministic logic: its result is asked of a [Model] once per
// fingerprint and kept.
type Caller interface {
	Bound
	// Calls says what all calls of the step have in common.
	Calls() Calls
	// Input appends what the call sends. ok is false where there is nothing to ask (a null text):
	// then the result is null, at no call.
	Input(dst []byte, in cdc.Row) (input []byte, ok bool, err error)
	// Output builds the output row from the input row and the result, which is null where Input said
	// that there is nothing to ask. With Calls.ByReference the result is a cdc.Reference to be passed on
	// as it is.
	Output(b *cdc.RowBuilder, in cdc.Row, result cdc.Value) error
}

// Foretelling is a Bound that can say about how much it makes of rows that nobody has read yet: a Mapper of how many rows, a
// Caller of how much text its calls send. A Mapper whose rows keep their key makes at most as many as it is given, which
// needs no word.
type Foretelling interface {
	Foretell(in cdc.Estimate) cdc.Estimate
}

// Calls is what all calls of a [Caller] have in common.
type Calls struct {
	Model Model // answers them
	// Logic is what a call's fingerprint covers besides its input: kind, version, model identity,
	// parameters. Two steps that would ask the same share their results (I7).
	Logic []byte
	// ByReference reports whether Output passes the result on as one column without looking into it,
	// so that rows need not carry it.
	ByReference bool
}

// Rows collects the output of a [Mapper] in one arena. It belongs to one goroutine.
type Rows struct {
	Builder cdc.RowBuilder // for the Mapper to build rows with
	arena   []byte
	ends    []int
	most    int // bytes that the rows may take; 0: any
	over    bool
}

// Limit bounds what the rows may take together, in bytes: those that are emitted beyond it are dropped, and Over tells.
// 0 takes the bound away.
func (r *Rows) Limit(bytes int) { r.most = bytes }

// Over reports whether rows were dropped since the last Reset or Cut.
func (r *Rows) Over() bool { return r.over }

// Emit adds the row that the Builder holds.
func (r *Rows) Emit() {
	if !r.over {
		r.end(r.Builder.Append(r.arena))
	}
}

// EmitRow adds a copy of a row.
func (r *Rows) EmitRow(row cdc.Row) {
	if !r.over {
		r.end(append(r.arena, row...))
	}
}

// end takes the arena with one more row, if there is room for it.
func (r *Rows) end(arena []byte) {
	if r.over = r.most > 0 && len(arena) > r.most; r.over {
		return
	}
	r.arena = arena
	r.ends = append(r.ends, len(arena))
}

// Cut forgets the rows from the nth on.
func (r *Rows) Cut(n int) {
	start := 0
	if n > 0 {
		start = r.ends[n-1]
	}
	r.arena, r.ends, r.over = r.arena[:start], r.ends[:n], false
}

// Len is the number of rows.
func (r *Rows) Len() int { return len(r.ends) }

// Bytes is the size of the rows.
func (r *Rows) Bytes() int { return len(r.arena) }

// At is the row at index i; it is valid until Reset.
func (r *Rows) At(i int) cdc.Row {
	start := 0
	if i > 0 {
		start = r.ends[i-1]
	}
	return cdc.Row(r.arena[start:r.ends[i]:r.ends[i]])
}

// Reset forgets the rows and keeps the memory and the bound.
func (r *Rows) Reset() { r.arena, r.ends, r.over = r.arena[:0], r.ends[:0], false }
