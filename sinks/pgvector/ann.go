package pgvector

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ivfflatRows is the number of rows from which on lists can be placed.
const ivfflatRows = 1000

// Up to so many rows an index is made on the way, where nobody else can write: between two ranges, or by an opening.
// Beyond that it is left to Run, which lets ranges pass meanwhile and takes the time that it takes.
const (
	rowsBetween = 1_000 // some tenths of a second, during which a live change waits
	rowsOpening = 100_000
)

// index makes the indexes over vectors that the flow asks for, and drops those of another kind or metric. While a
// table is empty there is none: rows that are loaded first and indexed then cost a tenth. It makes none over
// more than most rows; 0 is no bound, and then others write while it is made.
func (w *writer) index(ctx context.Context, conn *pgconn.PgConn, rows int64, most int64) error {
	done, concurrently := true, most == 0
	for _, t := range w.tables {
		if t.vector < 0 {
			continue
		}
		there, err := w.indexes(ctx, conn, t)
		if err != nil {
			return err
		}
		want, found := w.indexKind(t), false
		for _, x := range there {
			if x.kind == want {
				found = true
				continue
			}
			if w.sink.o.Unmanaged {
				continue
			}
			if err := conn.Exec(ctx, "DROP INDEX "+x.name).Close(); err != nil {
				return err
			}
		}
		if w.sink.o.Index == None || found || w.sink.o.Unmanaged {
			continue
		}
		if rows == 0 || most > 0 && rows > most || w.sink.o.Index == IVFFlat && rows < ivfflatRows {
			done = false
			continue
		}
		name, err := t.relation(ctx, conn)
		if err != nil {
			return err
		}
		statement := w.indexStatement(t, name, rows)
		if concurrently {
			statement = strings.Replace(statement, "INDEX", "INDEX CONCURRENTLY", 1)
		}
		if err := conn.Exec(ctx, statement).Close(); err != nil {
			return fmt.Errorf("index %s: %w", name, err)
		}
	}
	w.mu.Lock()
	w.indexed = done
	w.mu.Unlock()
	return nil
}

// indexKind is the kind of index and the operator class that the flow asks for.
func (w *writer) indexKind(t *table) string {
	name := t.columns[t.vector].have
	name, _, _ = strings.Cut(name[strings.LastIndex(name, ".")+1:], "(")
	return w.sink.o.Index.String() + " " + name + "_" + operatorsOf(w.sink.o.Metric)
}

func (w *writer) indexStatement(t *table, name string, rows int64) string {
	kind, class, _ := strings.Cut(w.indexKind(t), " ")
	statement := fmt.Sprintf("CREATE INDEX ON %s USING %s (%s %s)", name, kind, quote(t.columns[t.vector].Name), class)
	if w.sink.o.Index == IVFFlat {
		statement += fmt.Sprintf(" WITH (lists = %d)", min(max(rows/1000, 10), 32768)) // as the extension's manual advises
	}
	return statement
}

// vectorIndex is an index of the extension: its name in SQL, its kind and operator class.
type vectorIndex struct{ name, kind string }

// indexes lists those over the searched column. One that is not valid, left by a build that was cut short, is of no
// kind, and is dropped.
func (w *writer) indexes(ctx context.Context, conn *pgconn.PgConn, t *table) ([]vectorIndex, error) {
	rows, err := query(ctx, conn, "SELECT i.indexrelid::regclass::text, CASE WHEN i.indisvalid THEN m.amname || ' ' || o.opcname ELSE '' END "+
		"FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam JOIN pg_opclass o ON o.oid = i.indclass[0] "+
		"JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = $1::oid AND a.attname = $2 AND m.amname IN ('hnsw', 'ivfflat')",
		strconv.FormatUint(uint64(t.oid), 10), t.columns[t.vector].Name)
	if err != nil {
		return nil, err
	}
	var all []vectorIndex
	for _, row := range rows {
		all = append(all, vectorIndex{string(row[0]), string(row[1])})
	}
	return all, nil
}

// quiet is how long after the last large range a load's end is taken for granted.
const quiet = 2 * time.Second

// Run implements stream.Runner: it makes the index behind a load, while ranges and searches go on. What is written to the
// table meanwhile is in it when it is complete.
func (x *index) Run(ctx context.Context) error {
	ticker := time.NewTicker(quiet)
	defer ticker.Stop()
	var w watch
	for {
		if err := x.writer.watch(ctx, &w); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			x.writer.mu.Lock()
			due := !x.writer.indexed && now.Sub(x.writer.loaded) > quiet && x.writer.Rows() > 0
			x.writer.mu.Unlock()
			if !due {
				continue
			}
			x.writer.making.Lock()
			err := x.writer.readers.with(ctx, func(conn *pgconn.PgConn) error { return x.writer.index(ctx, conn, x.writer.Rows(), 0) })
			x.writer.making.Unlock()
			if err != nil && ctx.Err() == nil {
				x.writer.sink.o.Logger.Warn("the index over the vectors cannot be made yet", "sink", x.writer.target.Sink, "err", err)
			}
		}
	}
}
