package pgvector

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/stream"
)

// Drop implements stream.Dropper: the tables of an instance and its record go. Where another instance was filled
// beside it, that one takes the names of its tables, in the same transaction: no reader finds them missing.
func (s *Sink) Drop(ctx context.Context, t stream.Target) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	conn, err := dialer{dsn: s.o.DSN, name: "freshet/" + t.Flow + "/" + t.Sink}.connect(ctx)
	if err != nil {
		return describe(err)
	}
	if err := errors.Join(s.dropFrom(ctx, conn, t), end(conn)); err != nil {
		return fmt.Errorf("drop the tables of sink %s: %w", t.Sink, describe(err))
	}
	return nil
}

func (s *Sink) dropFrom(ctx context.Context, conn *pgconn.PgConn, t stream.Target) error {
	o := &opening{sink: s, target: t, conn: conn}
	if err := o.lay(ctx); err != nil {
		return err
	}
	there, err := value(ctx, conn, "SELECT to_regclass($1)::text", quote(o.schema)+"."+quote(progressTable))
	if err != nil || there == "" {
		return err
	}
	if err := o.exec(ctx, "BEGIN; SELECT pg_advisory_xact_lock("+openingLock+")"); err != nil {
		return err
	}
	if err := o.records(ctx); err != nil {
		return err
	}
	if o.own == nil {
		return o.exec(ctx, "ROLLBACK")
	}
	dropped := o.own
	for _, m := range dropped.Tables {
		if err := o.drop(ctx, m); err != nil {
			return err
		}
	}
	successors := o.former
	o.former, o.own = []*record{dropped}, nil
	for _, r := range successors {
		if r.State != t.State || !r.suffixed() {
			continue
		}
		o.own = r
		if err := o.promote(ctx); err != nil {
			return err
		}
		if err := o.keep(ctx, r); err != nil {
			return err
		}
		break
	}
	if err := o.forget(ctx, dropped); err != nil {
		return err
	}
	return o.exec(ctx, "COMMIT")
}

// Leave implements stream.Leaver: the records of a state go, and the tables are nobody's.
func (s *Sink) Leave(ctx context.Context, t stream.Target) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	conn, err := dialer{dsn: s.o.DSN, name: "freshet/" + t.Flow + "/" + t.Sink}.connect(ctx)
	if err != nil {
		return describe(err)
	}
	if err := errors.Join(s.leave(ctx, conn, t), end(conn)); err != nil {
		return fmt.Errorf("remove the record of sink %s: %w", t.Sink, describe(err))
	}
	return nil
}

func (s *Sink) leave(ctx context.Context, conn *pgconn.PgConn, t stream.Target) error {
	schema, _, _ := splitName(s.o.Table)
	if schema == "" {
		var err error
		if schema, err = value(ctx, conn, "SELECT current_schema()"); err != nil {
			return err
		}
	}
	progress := quote(schema) + "." + quote(progressTable)
	there, err := value(ctx, conn, "SELECT to_regclass($1)::text", progress)
	if err != nil || there == "" {
		return err
	}
	return conn.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE flow = %s AND sink = %s AND state = %s", progress, literal(t.Flow), literal(t.Sink), literal(t.State))).Close()
}
