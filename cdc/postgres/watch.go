package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/internal/idle"
)

// atRisk is the log, in bytes, that has to be left before the server gives a slot up; below it people are told.
const atRisk = 64 << 20

// leastWatch is the time between two looks, however often the stream asks for one.
const leastWatch = time.Second

// watch looks at the slot and the tables from time to time, and when the stream asks for it, on a connection of its own: a
// flow that waits for credit is just the one whose slot keeps too much log, and what happens to an idle table is not
// told in the stream. It tells what a person has to mend, and takes that back; what ends the session goes to found.
func (r *run) watch(ctx context.Context) {
	told := ""
	for pause := time.Duration(0); r.awaitWatch(ctx, pause) == nil; pause = r.source.options.GuardEvery {
		complaint, err := r.lookAround(ctx)
		switch {
		case errors.Is(err, cdc.ErrChanged):
			select {
			case r.found <- err:
			default:
			}
			r.feedback.hungry.Store(true) // the server's answer wakes whoever reads the stream
		case err != nil: // the stream says what is wrong with the server
		case complaint != nil:
			if told != complaint.Error() {
				told = complaint.Error()
				r.source.options.Logger.Warn("the source needs a person", "cause", complaint)
			}
			r.out.Problem(complaint)
		case told != "":
			r.out.Problem(nil)
			told = ""
		}
	}
}

// awaitWatch waits until the next look is due.
func (r *run) awaitWatch(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	case <-r.asked:
		return idle.For(ctx, min(leastWatch, pause))
	}
}

// askWatch has the slot and the tables looked at soon.
func (r *run) askWatch() {
	select {
	case r.asked <- struct{}{}:
	default:
	}
}

// lookAround says what a person has to mend; an error that wraps [cdc.ErrChanged] is for the flow itself to mend.
func (r *run) lookAround(ctx context.Context) (complaint, err error) {
	looking, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	c, err := r.source.options.connect(looking)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	risk, err := r.slotRisk(looking, c)
	if err != nil {
		return nil, err
	}
	complaints := []error{}
	if risk != nil {
		complaints = append(complaints, risk)
	}
	for i, t := range r.tables {
		harm, err := r.tableHarm(looking, c, t, r.carried[i])
		if err != nil {
			return nil, err
		}
		if harm != nil {
			complaints = append(complaints, harm)
		}
	}
	return together(complaints), nil
}

// together is one error of several, in one line.
func together(complaints []error) error {
	switch len(complaints) {
	case 0:
		return nil
	case 1:
		return complaints[0]
	}
	return &reason{said: strings.ReplaceAll(errors.Join(complaints...).Error(), "\n", "; "), err: errors.Join(complaints...)}
}

// slotRisk says how soon the server may remove log that the slot needs; nil: not soon.
func (r *run) slotRisk(ctx context.Context, c *pgx.Conn) (risk, err error) {
	o := &r.source.options
	x, err := readSlot(ctx, c, o.Slot)
	if err != nil || x == nil {
		return nil, err
	}
	r.source.sawSlot(x)
	o.Logger.Debug("slot", "slot", o.Slot, "kept_bytes", x.kept, "wal_status", x.walStatus)
	switch {
	case x.walStatus == "unreserved":
		return fmt.Errorf("slot %s keeps %d bytes of log, more than max_slot_wal_keep_size: the server may give it up at its next checkpoint", o.Slot, x.kept), nil
	case x.safeBytes != nil && *x.safeBytes < atRisk && *x.safeBytes < x.kept:
		return fmt.Errorf("slot %s keeps %d bytes of log, and the server may give it up after %d more (max_slot_wal_keep_size)", o.Slot, x.kept, *x.safeBytes), nil
	}
	return nil, nil
}

// tableHarm says what has happened to a table that a person has to mend: what a start would be refused for. What is held
// of it stays.
func (r *run) tableHarm(ctx context.Context, c *pgx.Conn, t *table, carried []int) (harm, err error) {
	now, err := readTable(ctx, c, t.option)
	if errors.Is(err, errNoTable) || sqlState(err) == stateNoPrivilege {
		return r.missing(ctx, c, t)
	}
	if err != nil {
		return nil, err
	}
	if now.oid == t.oid {
		now.where = t.where
		err = r.facts.checkTable(ctx, c, now)
		if fault, ok := errors.AsType[*cdc.SourceError](err); ok {
			return fmt.Errorf("%w; a person has to act: %s", fault, fault.Hint), nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, t.same(now, carried)
}

// missing tells where a table has gone that is no longer found by its name.
func (r *run) missing(ctx context.Context, c *pgx.Conn, t *table) (harm, err error) {
	var schema, name string
	err = c.QueryRow(ctx, "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1", t.oid).Scan(&schema, &name)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("table %s was dropped; its rows are kept until a person decides: make it again, and it is read anew by itself, "+
			"or take it out of the flow", t.plain()), nil
	case err != nil:
		return nil, fmt.Errorf("look for table %s: %w", t.plain(), err)
	}
	was := pgx.Identifier{schema, name}.Sanitize()
	if schema == t.schema && name == t.name {
		return fmt.Errorf("table %s is no longer found as %s; a person has to act: name it as %s in the flow, or GRANT USAGE ON SCHEMA %s TO %s",
			t.plain(), t.option.Table, tableName(schema, name), quoted(schema), quoted(r.facts.role)), nil
	}
	back := fmt.Sprintf("ALTER TABLE %s RENAME TO %s", was, quoted(t.name))
	if schema != t.schema {
		back = fmt.Sprintf("ALTER TABLE %s SET SCHEMA %s", was, quoted(t.schema))
	}
	return fmt.Errorf("table %s is named %s now; its rows are kept until a person decides: %s, or name %s in the flow",
		t.plain(), tableName(schema, name), back, tableName(schema, name)), nil
}
