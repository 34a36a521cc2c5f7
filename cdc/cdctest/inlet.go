package cdctest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/freshet/freshet/cdc"
)

// Put is a change as an [Inlet] recorded it; its memory is its own.
type Put struct {
	cdc.Change
	Position cdc.Position // of its transaction; empty while that is open
}

// Inlet is a [cdc.Inlet] that records. What is put is durable at once, unless [Inlet.Defer] withholds
// it until [Inlet.Durable].
type Inlet struct {
	mu      sync.Mutex
	changed chan struct{} // closed and made anew whenever something happens

	history  []Put // of the inlets before a crash: what was durable
	puts     []Put
	closed   int // puts whose transaction has ended
	durable  int // puts that are durable
	position cdc.Position
	last     cdc.Position // of the newest ended transaction
	ledger   *Ledger
	rows     map[string]cdc.Row // of what was put

	deferred bool
	held     bool
	waiting  int // Puts that wait for Release
	caught   int
	problem  error
	problems []error
	batches  []handed
	seed     maphash.Seed
	faults   []error // of the source, against the contract
}

// handed is a batch that belongs to the inlet, and its hash at that time.
type handed struct {
	batch *cdc.Batch
	sum   uint64
}

// NewInlet is an inlet of a flow that has not run yet.
func NewInlet() *Inlet {
	return &Inlet{changed: make(chan struct{}), ledger: &Ledger{}, rows: make(map[string]cdc.Row), seed: maphash.MakeSeed()}
}

// Start is where a source begins that puts into the inlet.
func (in *Inlet) Start() cdc.Start {
	in.mu.Lock()
	defer in.mu.Unlock()
	return cdc.Start{Resume: in.position, Ledger: in.ledger}
}

// Crash is the inlet that a restart would find: what was durable of this one, and nothing else.
func (in *Inlet) Crash() *Inlet {
	in.mu.Lock()
	defer in.mu.Unlock()
	next := NewInlet()
	next.position, next.last, next.ledger = in.position, in.position, in.ledger.clone()
	next.history = append(slices.Clone(in.history), in.puts[:in.durable]...)
	for _, p := range next.history {
		next.fold(p)
	}
	return next
}

// Put implements [cdc.Inlet].
func (in *Inlet) Put(ctx context.Context, b *cdc.Batch) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waiting++
	in.tell()
	for in.held {
		if err := in.sleep(ctx); err != nil {
			in.waiting--
			return err
		}
	}
	in.waiting--
	if err := ctx.Err(); err != nil {
		return err
	}
	in.batches = append(in.batches, handed{batch: b, sum: in.sum(b)})
	txns := b.Txns()
	for i := range b.Len() {
		for len(txns) > 0 && txns[0].End <= i {
			in.end(txns[0].Position)
			txns = txns[1:]
		}
		p := Put{Change: clone(b.At(i))}
		in.check(p.Change)
		in.puts = append(in.puts, p)
		in.fold(p)
	}
	for _, t := range txns {
		in.end(t.Position)
	}
	if !in.deferred {
		in.settle(in.last)
	}
	in.tell()
	return nil
}

// end closes a transaction.
func (in *Inlet) end(position cdc.Position) {
	if position == "" {
		in.faults = append(in.faults, errors.New("a transaction has no position"))
	}
	if position < in.last {
		in.faults = append(in.faults, fmt.Errorf("position %x follows %x", position, in.last))
	}
	for i := in.closed; i < len(in.puts); i++ {
		in.puts[i].Position = position
	}
	in.closed, in.last = len(in.puts), max(position, in.last)
}

// settle makes durable what was put up to a position.
func (in *Inlet) settle(position cdc.Position) {
	for ; in.durable < in.closed && in.puts[in.durable].Position <= position; in.durable++ {
		p := in.puts[in.durable]
		switch {
		case p.Op == cdc.Delete:
			in.ledger.Drop(p.Collection, p.Key)
		case p.Op == cdc.Truncate:
			in.ledger.Clear(p.Collection)
		case p.Note != nil:
			in.ledger.Set(p.Collection, p.Key, p.Note)
		}
		in.position = p.Position
	}
	if in.durable == in.closed && position >= in.last {
		in.position = max(in.position, in.last) // also of transactions without changes
	}
}

// fold applies a change to the rows.
func (in *Inlet) fold(p Put) {
	name := rowName(p.Collection, p.Key)
	switch p.Op {
	case cdc.Insert, cdc.Update:
		in.rows[name] = p.After
	case cdc.Delete, cdc.Reject:
		delete(in.rows, name)
	case cdc.Truncate:
		for n := range in.rows {
			if n[:len(collectionName(p.Collection))] == collectionName(p.Collection) {
				delete(in.rows, n)
			}
		}
	}
}

func collectionName(collection int) string { return fmt.Sprintf("%d/", collection) }

func rowName(collection int, key cdc.Key) string { return collectionName(collection) + key.Text() }

// check holds a change against the contract.
func (in *Inlet) check(c cdc.Change) {
	fault := func(format string, args ...any) {
		in.faults = append(in.faults, fmt.Errorf("%s of %q: %w", c.Op, c.Key.Text(), fmt.Errorf(format, args...)))
	}
	if (c.Op == cdc.Truncate) != (len(c.Key) == 0) {
		fault("the key has %d bytes", len(c.Key))
	}
	switch c.Op {
	case cdc.Insert, cdc.Update:
		if err := cdc.CheckRow(c.After); err != nil {
			fault("%w", err)
		}
	case cdc.Delete, cdc.Truncate, cdc.Reject:
		if c.After != nil {
			fault("it has a new row")
		}
	default:
		fault("no operation")
	}
	if (c.Op == cdc.Reject) != (c.Cause != nil && c.Cause.Code != "" && c.Cause.Message != "") {
		fault("its cause is %v", c.Cause)
	}
}

// Batch implements [cdc.Inlet].
func (in *Inlet) Batch() *cdc.Batch { return new(cdc.Batch) }

// CaughtUp implements [cdc.Inlet].
func (in *Inlet) CaughtUp(ctx context.Context) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.caught++
	in.tell()
	return ctx.Err()
}

// Problem implements [cdc.Inlet].
func (in *Inlet) Problem(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.problem = err
	in.problems = append(in.problems, err)
	in.tell()
}

// Hold makes Put wait, as it does when credit is spent.
func (in *Inlet) Hold() { in.set(func() { in.held = true }) }

// Release ends Hold.
func (in *Inlet) Release() { in.set(func() { in.held = false }) }

// Defer withholds durability from what is put from now on.
func (in *Inlet) Defer() { in.set(func() { in.deferred = true }) }

// Durable makes durable what was put up to a position, as the end of an epoch does.
func (in *Inlet) Durable(position cdc.Position) { in.set(func() { in.settle(position) }) }

func (in *Inlet) set(do func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	do()
	in.tell()
}

// Puts are the changes put so far, in order.
func (in *Inlet) Puts() []Put {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.puts)
}

// all are the durable changes from before a crash and those put since.
func (in *Inlet) all() []Put {
	in.mu.Lock()
	defer in.mu.Unlock()
	return append(slices.Clone(in.history), in.puts...)
}

// Rows are the rows that the changes so far add up to, by "collection/key".
func (in *Inlet) Rows() map[string]cdc.Row {
	in.mu.Lock()
	defer in.mu.Unlock()
	rows := make(map[string]cdc.Row, len(in.rows))
	for k, r := range in.rows {
		rows[k] = r
	}
	return rows
}

// Position is the durable position.
func (in *Inlet) Position() cdc.Position {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.position
}

// Last is the position of the newest transaction, durable or not.
func (in *Inlet) Last() cdc.Position {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.last
}

// Ledger holds the notes that are durable.
func (in *Inlet) Ledger() *Ledger { return in.ledger }

// Caught is the number of calls of CaughtUp.
func (in *Inlet) Caught() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.caught
}

// Waiting is the number of calls of Put that wait.
func (in *Inlet) Waiting() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.waiting
}

// Hindrance is what the source last said of its problems.
func (in *Inlet) Hindrance() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.problem
}

// Wait returns when done reports true; it is asked again whenever something happens, without the
// inlet being locked. The error is that of ctx, with what was put so far.
func (in *Inlet) Wait(ctx context.Context, what string, done func() bool) error {
	for {
		in.mu.Lock()
		changed := in.changed
		in.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; the last changes are %s", what, context.Cause(ctx), in.tail())
		}
	}
}

// Verify reports what the source did against the contract: batches touched after they were handed
// over, malformed changes, positions that fall.
func (in *Inlet) Verify() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	faults := slices.Clone(in.faults[:min(len(in.faults), 8)])
	for i, h := range in.batches {
		if in.sum(h.batch) != h.sum {
			faults = append(faults, fmt.Errorf("batch %d was changed after it had been put", i))
		}
	}
	return errors.Join(faults...)
}

func (in *Inlet) tail() string {
	puts := in.Puts()
	text := ""
	for _, p := range puts[max(0, len(puts)-8):] {
		text += fmt.Sprintf("%s %q, ", p.Op, p.Key.Text())
	}
	return text + fmt.Sprintf("%d in all", len(puts))
}

// tell wakes those that wait.
func (in *Inlet) tell() {
	close(in.changed)
	in.changed = make(chan struct{})
}

// sleep waits for the next event, unlocked.
func (in *Inlet) sleep(ctx context.Context) error {
	changed := in.changed
	in.mu.Unlock()
	defer in.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sum hashes all that a batch holds.
func (in *Inlet) sum(b *cdc.Batch) uint64 {
	var h maphash.Hash
	h.SetSeed(in.seed)
	for i := range b.Len() {
		c := b.At(i)
		fmt.Fprintf(&h, "%d %v %d %d %v\n", c.Op, c.Snapshot, c.Collection, c.Time, c.Cause)
		for _, part := range [][]byte{c.Key, c.From, c.After, c.Note} {
			fmt.Fprintf(&h, "%d:", len(part))
			h.Write(part)
		}
	}
	fmt.Fprintf(&h, "%v", b.Txns())
	return h.Sum64()
}

func clone(c cdc.Change) cdc.Change {
	c.Key, c.From, c.After, c.Note = slices.Clone(c.Key), slices.Clone(c.From), slices.Clone(c.After), slices.Clone(c.Note)
	if c.Cause != nil {
		cause := *c.Cause
		c.Cause = &cause
	}
	return c
}
