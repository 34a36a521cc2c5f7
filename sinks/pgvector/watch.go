package pgvector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/stream"
)

// watchBeat is how often the tables are looked at although nothing is written to them.
const watchBeat = 5 * time.Second

// watch is what the last look at the tables has seen.
type watch struct {
	at    time.Time
	files []string // by table: its file, another one where it was emptied or rewritten; nil before the first look: as the opening has found them
}

// Run implements stream.Runner: it notices what somebody else does to the tables of a flow with nothing to write (I10).
func (w *writer) Run(ctx context.Context) error {
	ticker := time.NewTicker(watchBeat)
	defer ticker.Stop()
	var last watch
	for {
		if err := w.watch(ctx, &last); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// watch looks at the tables where it is time to. The error is that of a loss alone: a server that does not answer is for those
// who write to tell.
func (w *writer) watch(ctx context.Context, last *watch) error {
	if time.Since(last.at) < watchBeat-watchBeat/10 {
		return nil
	}
	if last.files == nil {
		last.files = w.opened
	}
	last.at = time.Now()
	err := w.readers.with(ctx, func(conn *pgconn.PgConn) error { return w.look(ctx, conn, last) })
	if ctx.Err() == nil && errors.Is(err, stream.ErrLost) {
		return fmt.Errorf("watch %s: %w", w.target.Sink, err)
	}
	return nil
}

// look compares the tables with what was there before. Rows are counted where a table has another file.
func (w *writer) look(ctx context.Context, conn *pgconn.PgConn, last *watch) error {
	oids := make([]string, len(w.tables))
	for i, t := range w.tables {
		oids[i] = strconv.FormatUint(uint64(t.oid), 10)
	}
	rows, err := query(ctx, conn, "SELECT c.oid, pg_relation_filenode(c.oid), (SELECT string_agg(a.atttypid || ' ' || a.attname, E'\\n') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) "+
		"FROM unnest($1::oid[]) WITH ORDINALITY o(id, at) LEFT JOIN pg_class c ON c.oid = o.id ORDER BY o.at", "{"+strings.Join(oids, ",")+"}")
	if err != nil {
		return err
	}
	files := make([]string, len(w.tables))
	for i, t := range w.tables {
		if rows[i][0] == nil {
			return t.gone()
		}
		files[i] = string(rows[i][1])
		there := strings.Split(string(rows[i][2]), "\n")
		for _, c := range t.columns {
			if c.oid != 0 && !slices.Contains(there, fmt.Sprintf("%d %s", c.oid, c.Name)) {
				return fmt.Errorf("the column %s of the table %s is gone, or of another type: %w", c.Name, t.as, stream.ErrLost)
			}
		}
	}
	if slices.Equal(files, last.files) {
		return nil
	}
	err = w.recount(ctx, conn)
	if err == nil {
		last.files = files
	}
	return errors.Join(err, conn.Exec(ctx, "ROLLBACK").Close())
}

// recount holds the rows that are there against the record. The lock on it keeps Apply from changing their number meanwhile, and
// is not waited for: whoever has it writes, and looks itself.
func (w *writer) recount(ctx context.Context, conn *pgconn.PgConn) error {
	results, err := conn.Exec(ctx, fmt.Sprintf("BEGIN; SELECT rows FROM %s WHERE flow = %s AND sink = %s AND instance = %d AND generation = %d AND state = %s FOR UPDATE NOWAIT",
		w.table, literal(w.target.Flow), literal(w.target.Sink), w.target.Instance, w.progress.Generation, literal(w.target.State))).ReadAll()
	if err != nil || len(results[1].Rows) == 0 { // gone, or another opening's: a write tells which
		return err
	}
	want, err := strconv.ParseInt(string(results[1].Rows[0][0]), 10, 64)
	if err != nil {
		return err
	}
	var total int64
	for _, t := range w.tables {
		n, err := countSome(ctx, conn, t, want)
		if err != nil {
			return err
		}
		total += n
	}
	if total < want {
		return fmt.Errorf("%d rows are left of %d: %w", total, want, stream.ErrLost)
	}
	return nil
}
