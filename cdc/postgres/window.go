package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A window is how rows of tables are read next to the stream: a snapshot of the database that its readers share,
// and a mark in the log, written after the snapshot was taken. What the snapshot shows has been streamed when the
// stream has come to the mark; keys that change between the two are noted, and what the window reads of them is left
// out. The rows are read while the stream stands at the mark: none has to be kept until then, and none goes
// back in time.
type window struct {
	name    string // of the snapshot
	seen    sight
	fills   []*fill
	mark    string // what the message holds; empty: the place at is the mark
	since   LSN    // of a standby, where the log stood before the snapshot was taken
	at      LSN
	passed  bool // the stream has come to the mark
	crowded bool // too many keys have changed
	changed map[string]struct{}
}

const (
	// mostChanged bounds the keys that are noted (I9). More come if a large transaction commits just then; the next
	// snapshot shows it.
	mostChanged = 1 << 18
	// mostSteps ends a window whose position has been written so often: steps at one place are numbered in 16 bits.
	mostSteps = 1<<16 - 64
	// mostUnseen is how many transactions may be streamed before it is asked whether they can be seen.
	mostUnseen = 1 << 12
	// lockTime bounds the wait for a table that somebody has locked for himself; the stream waits meanwhile.
	lockTime = 3 * time.Second
	// markPrefix is that of the messages that are marks.
	markPrefix = appName
)

// advance opens a window when it is time to read rows, and reads them when the stream has come to its mark.
func (r *run) advance(ctx context.Context, idle bool) error {
	if r.txn.open || r.spills.into != nil {
		return nil
	}
	switch w := r.window; {
	case w != nil:
		w.passed = w.passed || w.mark == "" && r.place.lsn >= w.at
		if !w.passed {
			return nil
		}
		if w.crowded {
			return r.closeWindow(ctx)
		}
		return r.readWindow(ctx)
	case time.Now().After(r.recess) || idle && !r.halted:
		return r.openWindow(ctx)
	}
	return nil
}

// halt puts the next window off, because of something that may pass.
func (r *run) halt(ctx context.Context, format string, args ...any) error {
	if r.waited == 0 {
		r.waiting = time.Now()
	}
	r.waited = min(2*r.waited+5*time.Millisecond, time.Second)
	r.recess, r.halted = time.Now().Add(r.waited), true
	if time.Since(r.waiting) > 3*time.Second {
		r.out.Problem(fmt.Errorf(format, args...))
		r.hindered = true
	}
	return r.closeWindow(ctx)
}

// openWindow takes a snapshot and writes the mark.
func (r *run) openWindow(ctx context.Context) error {
	w := &window{fills: r.fills, changed: map[string]struct{}{}}
	if !r.load {
		w.fills = r.fills[:1]
	}
	c, err := r.reader(ctx, 0)
	if err != nil {
		return err
	}
	if err := lockTables(ctx, c, w.fills); err != nil {
		if sqlState(err) == stateLocked {
			return r.halt(ctx, "read the rows of %s: somebody has locked the table", w.fills[0].table.plain())
		}
		return err
	}
	if r.facts.standby {
		if w.since, err = r.now(ctx); err != nil {
			return err
		}
	}
	var text string
	if err := c.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_current_snapshot()::text").Scan(&w.name, &text); err != nil {
		return fmt.Errorf("take a snapshot: %w", err)
	}
	seen, err := readSight(text)
	if err != nil {
		return err
	}
	if unseen := r.hidden(seen); unseen > 0 {
		return r.halt(ctx, "read the rows of %s: %d transactions have to end first%s", w.fills[0].table.plain(), unseen, r.culprits(ctx))
	}
	for _, f := range w.fills {
		held, _ := r.place.held(f.table.oid)
		if err := f.measure(ctx, c, seen, held); err != nil {
			return err
		}
		if len(f.parts) < len(f.only) {
			return r.again("a partition has joined table %s and left it again", f.table.plain())
		}
		if !f.opened {
			for _, p := range f.parts {
				if p.born >= f.family.since {
					r.kin = append(r.kin, p.oid) // it is among the rows that are read
				}
			}
		}
		f.opened = true
	}
	if err := r.writeMark(ctx, w); err != nil {
		return err
	}
	w.seen = seen
	r.window, r.waited, r.halted = w, 0, false
	if r.hindered {
		r.hindered = false
		r.out.Problem(nil)
	}
	return nil
}

// lockTables begins the transaction of a snapshot. The tables are locked before it is taken, so that nobody empties
// them or writes them anew between it and the reading.
func lockTables(ctx context.Context, c *pgx.Conn, fills []*fill) error {
	statements := []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", fmt.Sprintf("SET LOCAL lock_timeout = %d", lockTime.Milliseconds())}
	for _, f := range fills {
		only := "ONLY "
		if f.table.kind == 'p' {
			only = ""
		}
		statements = append(statements, "LOCK TABLE "+only+f.table.String()+" IN ACCESS SHARE MODE")
	}
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			return fmt.Errorf("take a snapshot: %w", err)
		}
	}
	return nil
}

// hidden counts transactions that the snapshot must show and does not: those that were streamed, and those that
// were under way when the session began, which may have been streamed before, or not sent because the table was not
// published when they changed it. On a standby what was replayed can be seen.
func (r *run) hidden(seen sight) int {
	if r.facts.standby {
		return 0
	}
	keep := r.unseen[:0]
	for _, xid := range r.unseen {
		if !seen.shows(seen.whole(xid)) {
			keep = append(keep, xid)
		}
	}
	r.unseen = keep
	doubts := r.doubts[:0]
	for _, xid := range r.doubts {
		if !seen.shows(xid) {
			doubts = append(doubts, xid)
		}
	}
	r.doubts = doubts
	return len(keep) + len(doubts)
}

// streamedTxn notes a transaction that the next window has to show.
func (r *run) streamedTxn(ctx context.Context, xid uint32) error {
	if r.unseen = append(r.unseen, xid); len(r.unseen) < mostUnseen {
		return nil
	}
	seen, err := r.look(ctx)
	if err != nil {
		return err
	}
	r.hidden(seen)
	return nil
}

// writeMark puts the mark into the log. On a standby nobody can; there nothing can be seen before it is in the log
// that the stream is read from, so that the end of that log is the mark.
func (r *run) writeMark(ctx context.Context, w *window) error {
	if r.facts.standby {
		var err error
		w.at, err = r.now(ctx)
		return err
	}
	w.mark = fmt.Sprintf("%s %016x", r.source.options.Slot, rand.Uint64())
	// In a transaction, so that it is on disk at once, and behind the commits that the snapshot shows.
	if _, err := r.sql.Exec(ctx, "SELECT pg_catalog.pg_logical_emit_message(true, $1::text, $2::text)", markPrefix, w.mark); err != nil {
		return fmt.Errorf("write a mark into the log: %w", err)
	}
	return nil
}

// moment says how a transaction relates to the window that is open next to it.
type moment uint8

const (
	momentNone    moment = iota // none that reads the table is open, and still to be read
	momentShown                 // its snapshot shows the transaction
	momentLater                 // it does not
	momentUnknown               // a standby does not tell which transactions a snapshot shows
)

// moment is that of the present transaction, for a table.
func (r *run) moment(oid uint32) moment {
	w := r.window
	switch {
	case w == nil, w.passed, w.crowded, !slices.ContainsFunc(w.fills, func(f *fill) bool { return f.table.oid == oid }):
		return momentNone
	case !r.facts.standby:
		if w.seen.shows(w.seen.whole(r.txn.xid)) {
			return momentShown
		}
		return momentLater
	case r.txn.at < w.since:
		return momentShown
	case r.txn.at >= w.at:
		return momentLater
	}
	return momentUnknown
}

// touched notes a key that has changed since the present window's snapshot: what the window reads of it is old. A key too
// many does no harm, since its row comes whole.
func (r *run) touched(x *binding, key []byte) {
	switch r.moment(x.table.oid) {
	case momentLater, momentUnknown:
		w := r.window
		if w.crowded = len(w.changed) >= mostChanged; !w.crowded {
			w.changed[string(r.overlaps.nameOf(x, key))] = struct{}{}
		}
	}
}

// has reports whether a key, by its name, has changed since the snapshot.
func (w *window) has(name []byte) bool {
	_, ok := w.changed[string(name)]
	return ok
}

// marked takes a message of the log: it may be the mark of the window.
func (r *run) marked(c *cursor) error {
	c.u8()
	c.lsn()
	prefix := c.text()
	content := c.take(int(c.u32()))
	if w := r.window; w != nil && !c.bad && prefix == markPrefix && string(content) == w.mark {
		w.passed = true
	}
	return c.fault(msgMessage)
}

// closeWindow ends the snapshot.
func (r *run) closeWindow(ctx context.Context) error {
	r.window = nil
	for _, c := range r.readers {
		if _, err := c.Exec(ctx, "ROLLBACK"); err != nil {
			return fmt.Errorf("end a snapshot: %w", err)
		}
	}
	return nil
}

// reader is a connection that reads rows; they are kept for the whole session.
func (r *run) reader(ctx context.Context, i int) (*pgx.Conn, error) {
	for len(r.readers) <= i {
		c, err := r.source.options.connect(ctx)
		if err != nil {
			return nil, err
		}
		r.readers = append(r.readers, c)
	}
	return r.readers[i], nil
}

// leave closes the readers.
func (r *run) leave(ctx context.Context) {
	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer stop()
	for _, c := range r.readers {
		_ = c.Close(closing)
	}
	r.readers, r.window = nil, nil
}

// culprits names sessions whose transactions are under way, the longest first.
func (r *run) culprits(ctx context.Context) string {
	rows, err := r.sql.Query(ctx, underWayQuery)
	if err != nil {
		return ""
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(pids) == 0 {
		return ""
	}
	return ": " + strings.Join(pids, ", ")
}
