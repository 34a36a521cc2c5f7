package cdctest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/idle"
)

// Script is a source in memory: a log of transactions that a test writes, before and while the source
// runs. Its rows are what the log adds up to; a first run copies them, a later one continues the log.
type Script struct {
	collections []cdc.Collection

	mu        sync.Mutex
	changed   chan struct{} // closed and made anew whenever something happens
	log       []Transaction
	forgotten int // transactions that Forget took
	paused    bool
	problem   error
	fault     error
	confirmed []cdc.Position
	split     int
	linger    time.Duration
	handed    int
}

// Transaction is one of a [Script]'s log.
type Transaction struct {
	Position cdc.Position
	Time     int64 // of its commit, in microseconds since 1970
	Changes  []cdc.Change
}

// NewScript is a source of these collections with an empty log.
func NewScript(collections ...cdc.Collection) *Script {
	return &Script{collections: collections, changed: make(chan struct{})}
}

// ScriptPosition is the position behind the nth transaction, counted from 1.
func ScriptPosition(n int) cdc.Position {
	return cdc.Position(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// Commit appends a transaction to the log and returns its position. The changes are copied.
func (s *Script) Commit(changes ...cdc.Change) cdc.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := Transaction{Position: ScriptPosition(s.forgotten + len(s.log) + 1), Time: time.Now().UnixMicro()}
	for _, c := range changes {
		t.Changes = append(t.Changes, clone(c))
	}
	s.log = append(s.log, t)
	s.tell()
	return t.Position
}

// Set is an update of the row with this object as JSON, of the first collection; it panics where the
// object does not fit.
func (s *Script) Set(object string) cdc.Change {
	schema := s.collections[0].Schema
	row, err := cdc.RowFromJSON(schema, []byte(object))
	if err != nil {
		panic(err)
	}
	key, err := schema.AppendKey(nil, row)
	if err != nil {
		panic(err)
	}
	return cdc.Change{Op: cdc.Update, Key: key, After: row}
}

// Pause keeps the source from reading on; Resume lets it.
func (s *Script) Pause() { s.set(func() { s.paused = true }) }

// Resume ends Pause.
func (s *Script) Resume() { s.set(func() { s.paused = false }) }

// Fail makes the run that is going on, or the next one, return err.
func (s *Script) Fail(err error) { s.set(func() { s.fault = err }) }

// Trouble makes the source tell a problem, nil that it is over.
func (s *Script) Trouble(err error) { s.set(func() { s.problem = err }) }

// Split makes the source put batches of at most n changes, also in the middle of a transaction; 0 puts
// what there is at once.
func (s *Script) Split(n int) { s.set(func() { s.split = n }) }

// Linger makes the source wait that long between the batches of one transaction, as a server does that is
// not done with it.
func (s *Script) Linger(d time.Duration) { s.set(func() { s.linger = d }) }

// Forget drops the log up to a position: a run that would resume before it finds a gap. The rows of
// what is dropped go with it.
func (s *Script) Forget(upto cdc.Position) {
	s.set(func() {
		n := min(max(place(upto)-s.forgotten, 0), len(s.log))
		s.log, s.forgotten = s.log[n:], s.forgotten+n
	})
}

// Confirmed are the positions that were confirmed, in order.
func (s *Script) Confirmed() []cdc.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.confirmed)
}

// Handed is how many transactions of the log the engine has taken from the source, in all runs.
func (s *Script) Handed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handed
}

// Collections are those that the script was made with.
func (s *Script) Collections(context.Context) ([]cdc.Collection, error) { return s.collections, nil }

// Confirm takes down what is durable.
func (s *Script) Confirm(_ context.Context, position cdc.Position) error {
	s.set(func() { s.confirmed = append(s.confirmed, position) })
	return nil
}

// Describe writes a position as the number of its transaction.
func (s *Script) Describe(p cdc.Position) string { return fmt.Sprint(place(p)) }

// ParsePosition implements stream.Parser: it reads what Describe writes.
func (s *Script) ParsePosition(text string) (cdc.Position, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return "", fmt.Errorf("read position %q: it is the number of a transaction", text)
	}
	return ScriptPosition(n), nil
}

// Rescans reports that rows can be read again: they are in memory.
func (s *Script) Rescans() bool { return true }

// Run puts a copy of the rows on a first run or a rescan, and then the log.
func (s *Script) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	r := &reel{script: s, start: start, out: out, at: place(start.Resume)}
	err := r.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Script) set(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	s.tell()
}

func (s *Script) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// place is the number of transactions before a position's end.
func place(p cdc.Position) int {
	if len(p) != 8 {
		return 0
	}
	return int(binary.BigEndian.Uint64([]byte(p)))
}

// reel is one run of a script.
type reel struct {
	script *Script
	start  cdc.Start
	out    cdc.Inlet
	at     int // transactions behind us
	told   error
	build  cdc.RowBuilder
}

func (r *reel) run(ctx context.Context) error {
	s := r.script
	s.mu.Lock()
	end := s.forgotten + len(s.log)
	gap := r.at < s.forgotten && r.start.Resume != ""
	s.mu.Unlock()
	if gap {
		return &cdc.SourceError{Code: "data_guard", Hint: "reset the source",
			Err: fmt.Errorf("resume at %d: the log begins at %d: %w", r.at, s.forgotten, cdc.ErrGap)}
	}
	if r.start.Resume == "" {
		if err := r.snapshot(ctx, end); err != nil {
			return err
		}
	}
	caught := false
	for {
		if r.at >= end && !caught {
			// A rescan reads on first: the log has the deletes that no row tells of.
			if r.start.Rescan && r.start.Resume != "" {
				if err := r.snapshot(ctx, r.at); err != nil {
					return err
				}
			}
			if err := r.out.CaughtUp(ctx); err != nil {
				return err
			}
			caught = true
			if r.start.Once {
				return nil
			}
		}
		t, err := r.next(ctx)
		if err != nil {
			return err
		}
		if err := r.put(ctx, t, false); err != nil {
			return err
		}
		r.at++
		s.mu.Lock()
		s.handed++
		s.mu.Unlock()
	}
}

// next waits for the next transaction.
func (r *reel) next(ctx context.Context) (Transaction, error) {
	s := r.script
	for {
		s.mu.Lock()
		changed, fault, problem := s.changed, s.fault, s.problem
		s.fault = nil
		i := r.at - s.forgotten
		var t Transaction
		ready := !s.paused && i >= 0 && i < len(s.log)
		if ready {
			t = s.log[i]
		}
		s.mu.Unlock()
		if i < 0 {
			return t, fmt.Errorf("read transaction %d: %w", r.at+1, cdc.ErrGap)
		}
		if !errors.Is(problem, r.told) || !errors.Is(r.told, problem) {
			r.told = problem
			r.out.Problem(problem)
		}
		if fault != nil {
			return t, fault
		}
		if ready {
			return t, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
}

// snapshot puts the rows as they stood behind the nth transaction, and goes on from there.
func (r *reel) snapshot(ctx context.Context, n int) error {
	s := r.script
	s.mu.Lock()
	rows := make(map[string]cdc.Change)
	for _, t := range s.log[:n-s.forgotten] {
		for _, c := range t.Changes {
			switch name := rowName(c.Collection, c.Key); c.Op {
			case cdc.Insert, cdc.Update, cdc.Reject:
				rows[name] = c
			case cdc.Delete:
				delete(rows, name)
			case cdc.Truncate:
				for n, x := range rows {
					if x.Collection == c.Collection {
						delete(rows, n)
					}
				}
			}
		}
	}
	s.mu.Unlock()
	names := make([]string, 0, len(rows))
	for name := range rows {
		names = append(names, name)
	}
	slices.Sort(names)
	t := Transaction{Position: ScriptPosition(n)}
	for _, name := range names {
		t.Changes = append(t.Changes, rows[name])
	}
	r.at = n
	if len(t.Changes) == 0 {
		return nil
	}
	return r.put(ctx, t, true)
}

// put hands a transaction over, in as many batches as Split asks for.
func (r *reel) put(ctx context.Context, t Transaction, snapshot bool) error {
	r.script.mu.Lock()
	split, linger := r.script.split, r.script.linger
	r.script.mu.Unlock()
	b := r.out.Batch()
	for i, c := range t.Changes {
		if split > 0 && i > 0 && i%split == 0 {
			if err := r.out.Put(ctx, b); err != nil {
				return err
			}
			if err := idle.For(ctx, linger); err != nil {
				return err
			}
			b = r.out.Batch()
		}
		if c.Snapshot = snapshot; snapshot && c.Op == cdc.Insert {
			c.Op = cdc.Update
		}
		if c.Time == 0 {
			c.Time = t.Time
		}
		c.After = r.carry(c.Collection, c.After)
		b.Add(c)
	}
	b.Commit(t.Position, t.Time)
	return r.out.Put(ctx, b)
}

// carry projects a row onto the columns that are asked for.
func (r *reel) carry(collection int, row cdc.Row) cdc.Row {
	if row == nil || collection >= len(r.start.Columns) || r.start.Columns[collection] == nil {
		return row
	}
	return r.build.Project(nil, row, r.start.Columns[collection])
}
