package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/freshet/freshet/cdc"
)

// Source reads tables of one database. It is safe for concurrent use; one Run at a time.
type Source struct {
	options Options
	pace    pace

	mu        sync.Mutex
	confirmed LSN
	ceiling   LSN           // of the present run: what it has put; nothing behind it can be confirmed
	told      chan struct{} // of the present run: that confirmed has moved; nil between runs
	tables    []*table      // as Collections has told them; nil: it was not asked
	filling   *progress     // nil: no first rows are being read
	kept      int64         // bytes of log that the server keeps for the slot, when it was last looked at
	behind    int64         // bytes of log that are not confirmed
	looked    bool
}

// New checks the options without reaching the server. The error joins an [*cdc.OptionError] for each that is wrong.
func New(o Options) (*Source, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.fill()
	return &Source{options: o, pace: usualPace}, nil
}

// Collections introspects the tables, and checks all that has to hold before anything may be made on the
// server: what is missing is a [*cdc.SourceError] whose hint is the SQL or the setting.
func (s *Source) Collections(ctx context.Context) ([]cdc.Collection, error) {
	c, err := s.options.connect(ctx)
	if err != nil {
		return nil, reachable(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	facts, err := s.preflight(ctx, c)
	if err != nil {
		return nil, reachable(err)
	}
	collections := make([]cdc.Collection, len(facts.tables))
	for i, t := range facts.tables {
		collections[i] = cdc.Collection{Name: t.option.Name, Schema: t.schemaOf()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables = facts.tables
	return collections, nil
}

// planned are copies of the tables that the flow was planned with; nil where nobody has asked.
func (s *Source) planned() []*table {
	s.mu.Lock()
	defer s.mu.Unlock()
	var tables []*table
	for _, t := range s.tables {
		clone := *t
		tables = append(tables, &clone)
	}
	return tables
}

// reachable makes a fault that a user understands of a server that does not answer.
func reachable(err error) error {
	if _, ok := errors.AsType[*cdc.SourceError](err); ok {
		return err
	}
	return &cdc.SourceError{Code: "server_unreachable", Err: err, Hint: "check the dsn, and that the server runs and may be reached from here"}
}

// Confirm takes note of what is durable; the server is told within a tenth of a second (I1).
func (s *Source) Confirm(_ context.Context, position cdc.Position) error {
	p, err := readPlace(position)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.lsn <= s.confirmed || p.lsn > s.ceiling {
		return nil // the second is the cursor of another server, which a rescan has left behind
	}
	s.confirmed = p.lsn
	if s.told != nil {
		select {
		case s.told <- struct{}{}:
		default:
		}
	}
	return nil
}

func (s *Source) durable() LSN {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.confirmed
}

// rebase begins at a place that does not follow from what was confirmed.
func (s *Source) rebase(lsn LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed, s.ceiling = lsn, lsn
}

// raise says how far has been put.
func (s *Source) raise(lsn LSN) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ceiling = max(s.ceiling, lsn)
}

// Describe writes a position as Postgres writes a pg_lsn, such as 1/5A2C0F8: all that committed before it
// is held.
func (s *Source) Describe(p cdc.Position) string {
	if len(p) < 8 {
		return ""
	}
	return LSN(binary.BigEndian.Uint64([]byte(p))).String()
}

// ParsePosition reads a pg_lsn.
func (s *Source) ParsePosition(text string) (cdc.Position, error) {
	lsn, err := ParseLSN(text)
	if err != nil {
		return "", err
	}
	return bare(lsn), nil
}

// Reached implements stream.Partitioned. A place in the log, as ParsePosition gives it, is reached when the first rows of
// all tables are held too: what committed before it may be among those that are still to be read.
func (s *Source) Reached(at, want cdc.Position) bool {
	return at >= want && (len(want) != bareSize || s.whole(at))
}

// Covers implements stream.Partitioned. A row that was read in a table may stem from a change before want wherever it was
// read.
func (s *Source) Covers(want, origin cdc.Position) bool {
	return origin <= want || len(want) == bareSize && (stepped(origin) || !s.whole(origin))
}

// Origin implements stream.Abridger: where in the log, and of which tables the first rows are held; not which columns
// these have.
func (s *Source) Origin(at cdc.Position) cdc.Position { return origin(at) }

// whole reports whether the first rows of all tables are held at a position.
func (s *Source) whole(at cdc.Position) bool {
	p, err := readPlace(at)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.tables, func(t *table) bool {
		h, ok := p.held(t.oid)
		return !ok || h.part
	})
}

// Rescans reports that the tables can be read again at any time.
func (s *Source) Rescans() bool { return true }

// Sparse reports that values which did not change may be left out: Postgres does not log them again when
// they are stored out of line (TOAST).
func (s *Source) Sparse() bool { return true }

// Run puts the rows of the tables and then their changes; see the contract in package stream. It returns a
// [*cdc.SourceError] of code data_guard, wrapping [cdc.ErrGap], when the slot does not continue what is
// held, and [cdc.ErrReread] beside it where OnSlotLost says so; one of code schema_changed, wrapping
// [cdc.ErrChanged], when a column that is carried is no longer what it was.
func (s *Source) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	r, err := s.newRun(start, out)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.confirmed, s.ceiling, s.told = r.place.lsn, r.place.lsn, r.told
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told, s.filling = nil, nil
	}()
	if err = r.loop(ctx); ctx.Err() != nil {
		return nil // whatever broke off did so because it was told to
	}
	return err
}

// Drop removes the slot, and the publication if the flow has made it. What is not there is no fault, and a slot of that name
// that belongs to somebody else stays.
func (s *Source) Drop(ctx context.Context) error {
	c, err := s.options.connect(ctx)
	if err != nil {
		return reachable(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	f, err := readServer(ctx, c)
	if err != nil {
		return reachable(err)
	}
	x, err := readSlot(ctx, c, s.options.Slot)
	if err != nil {
		return err
	}
	if x != nil && s.options.taken(x, f) == nil {
		if err := dropSlot(ctx, c, s.options.Slot); err != nil {
			return err
		}
	}
	p, err := readPublication(ctx, c, s.options.Publication, 0)
	if err != nil {
		return err
	}
	if p == nil || !p.own() {
		return nil
	}
	if _, err := c.Exec(ctx, "DROP PUBLICATION IF EXISTS "+quoted(s.options.Publication)); err != nil {
		return fmt.Errorf("drop publication %s: %w", s.options.Publication, err)
	}
	return nil
}
