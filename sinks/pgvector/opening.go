package pgvector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/stream"
)

// opening is the transaction in which a sink takes its tables: it makes and migrates them, counts their rows and
// fences the generation.
type opening struct {
	sink     *Sink
	target   stream.Target
	conn     *pgconn.PgConn
	schema   string // of the progress table
	progress string // its name in SQL
	tables   []*table
	version  string // of the extension vector
	own      *record
	beside   *record   // of a swap's other instance
	former   []*record // of this sink, by other instances and states: superseded
	others   []*record // of other sinks
	undone   bool      // rows that the record tells of are lost
	done     []string  // statements that change the database's schema
}

// open opens the target.
func (s *Sink) open(ctx context.Context, t stream.Target) (*writer, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*s.o.Timeout) // an index may have to be made
	defer cancel()
	dial := dialer{dsn: s.o.DSN, name: "freshet/" + t.Flow + "/" + t.Sink}
	conn, err := dial.connect(ctx)
	if err != nil {
		return nil, err
	}
	w, err := s.take(ctx, conn, t)
	if err != nil {
		return nil, errors.Join(err, end(conn))
	}
	w.readers = sessions{dialer: dial}
	return w, nil
}

// openingLock lets one opening at a time go ahead, also of sinks that have no progress table yet: "Fres" in ASCII.
const openingLock = "1181902195"

// take runs the opening's transaction.
func (s *Sink) take(ctx context.Context, conn *pgconn.PgConn, t stream.Target) (*writer, error) {
	o := &opening{sink: s, target: t, conn: conn}
	p, rows, err := o.run(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.exec(ctx, "COMMIT"); err != nil {
		return nil, err
	}
	w := &writer{sink: s, target: t, progress: p, table: o.progress, tables: o.tables, version: o.version, session: session{conn: conn}}
	w.rows.Store(rows)
	if err := w.index(ctx, conn, rows, rowsOpening); err != nil {
		return nil, err
	}
	return w, nil
}

// run does everything up to the commit.
func (o *opening) run(ctx context.Context) (stream.Progress, int64, error) {
	if err := o.exec(ctx, "BEGIN; SELECT pg_advisory_xact_lock("+openingLock+")"); err != nil {
		return stream.Progress{}, 0, err
	}
	if err := o.lay(ctx); err != nil {
		return stream.Progress{}, 0, err
	}
	if err := o.records(ctx); err != nil {
		return stream.Progress{}, 0, err
	}
	if err := o.settle(ctx); err != nil {
		return stream.Progress{}, 0, err
	}
	return o.decide(ctx)
}

// Preview implements stream.Previewer: an opening that is rolled back. The index over vectors is named as well, which
// is made once there are rows.
func (s *Sink) Preview(ctx context.Context, t stream.Target) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	conn, err := dialer{dsn: s.o.DSN, name: "freshet/" + t.Flow + "/" + t.Sink}.connect(ctx)
	if err != nil {
		return nil, describe(err)
	}
	o := &opening{sink: s, target: t, conn: conn}
	_, _, err = o.run(ctx)
	if err == nil {
		err = o.foretell(ctx)
	}
	if err == nil {
		err = o.exec(ctx, "ROLLBACK")
	}
	if err = errors.Join(err, end(conn)); err != nil {
		return nil, describe(err)
	}
	return o.done, nil
}

// foretell adds the indexes that the tables lack.
func (o *opening) foretell(ctx context.Context) error {
	w := &writer{sink: o.sink}
	for _, t := range o.tables {
		if t.vector < 0 || o.sink.o.Index == None || o.sink.o.Unmanaged {
			continue
		}
		there, err := w.indexes(ctx, o.conn, t)
		if err != nil {
			return err
		}
		if want := w.indexKind(t); !slices.ContainsFunc(there, func(x vectorIndex) bool { return x.kind == want }) {
			o.done = append(o.done, w.indexStatement(t, t.quoted(), 0))
		}
	}
	return nil
}

// lay lays out the tables and finds their schema.
func (o *opening) lay(ctx context.Context) error {
	current, err := value(ctx, o.conn, "SELECT current_schema()")
	if err != nil {
		return err
	}
	for _, c := range o.target.Collections {
		t, err := o.sink.tableFor(c)
		if err != nil {
			return err
		}
		if t.schema == "" {
			t.schema = current
		}
		there, err := value(ctx, o.conn, "SELECT nspname FROM pg_namespace WHERE nspname = $1", t.schema)
		if err != nil {
			return err
		}
		if there == "" {
			return &stream.Problem{Code: "unknown_schema", Exit: 3, Field: "table", Message: fmt.Sprintf("the schema %q is not there", t.schema),
				Hint: "run: `CREATE SCHEMA " + quote(t.schema) + "`, or name another one in table: schema.table"}
		}
		o.schema = t.schema
		o.tables = append(o.tables, t)
	}
	return o.extension(ctx)
}

// extension makes sure that the extension vector is there, where the sink needs it.
func (o *opening) extension(ctx context.Context) error {
	if !o.sink.vectors {
		return nil
	}
	const installed = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
	var err error
	if o.version, err = value(ctx, o.conn, installed); err != nil || o.version != "" {
		return err
	}
	available, err := value(ctx, o.conn, "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
	if err != nil {
		return err
	}
	if available == "" {
		return &stream.Problem{Code: "extension_missing", Exit: 3, Field: "dsn", Message: "the server has no extension vector",
			Hint: "install pgvector on the server (package postgresql-<version>-pgvector), or use the sink vector, which needs no server"}
	}
	const statement = "CREATE EXTENSION vector"
	if o.sink.o.Unmanaged {
		return unmade("the extension vector", statement)
	}
	if err := o.define(ctx, statement); err != nil {
		var server *pgconn.PgError
		if errors.As(err, &server) && server.Code == "42501" {
			return &stream.Problem{Code: "rights", Exit: 3, Field: "dsn", Message: "the role may not install the extension vector", Hint: "run as a superuser: `" + statement + "`"}
		}
		return err
	}
	o.version, err = value(ctx, o.conn, installed)
	return err
}

// settle finds out which tables this opening has, and brings them into shape.
func (o *opening) settle(ctx context.Context) error {
	building := o.beside != nil && (o.own == nil || o.own.suffixed())
	for _, t := range o.tables {
		if building {
			t.name = besideName(t.name, o.target.Instance)
		}
		if err := o.taken(t); err != nil {
			return err
		}
	}
	if o.beside == nil {
		if err := o.promote(ctx); err != nil {
			return err
		}
	}
	for _, t := range o.tables {
		if err := o.shape(ctx, t); err != nil {
			return err
		}
	}
	return o.leave(ctx)
}

// besideName is the name of a table while it is filled beside the one that serves; names have up to 63 bytes.
func besideName(name string, instance uint32) string {
	suffix := fmt.Sprintf("__%d", instance)
	return name[:min(len(name), 63-len(suffix))] + suffix
}

// suffixed reports whether the tables of a record still have the names that they were filled under.
func (r *record) suffixed() bool {
	return slices.ContainsFunc(r.Tables, func(m madeTable) bool { return m.As != "" && m.Name != m.As })
}

// promote gives the tables that were filled beside others their names, now that the others serve no more. It comes
// when the old instance is dropped, or at the next opening where that was cut short.
func (o *opening) promote(ctx context.Context) error {
	if o.own == nil {
		return nil
	}
	for i := range o.own.Tables {
		if m := &o.own.Tables[i]; m.As != "" && m.Name != m.As {
			if err := o.rename(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// rename gives a table its own name, once that which is superseded has gone.
func (o *opening) rename(ctx context.Context, m *madeTable) error {
	for _, f := range o.former {
		if old := f.table(m.Schema, m.As); old != nil {
			if err := o.drop(ctx, *old); err != nil {
				return err
			}
		}
	}
	err := o.try(ctx, fmt.Sprintf("ALTER TABLE IF EXISTS %s.%s RENAME TO %s", quote(m.Schema), quote(m.Name), quote(m.As)))
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == "42P07" { // duplicate_table: it stays, as something depends on it
		return &stream.Problem{Code: "table_taken", Exit: 3, Field: "table", Message: fmt.Sprintf("the table %s is in the way of the new one, %s: it is not Freshet's alone, or something depends on it", m.As, m.Name),
			Hint: fmt.Sprintf("move it away: `ALTER TABLE %s.%s RENAME TO %s`", quote(m.Schema), quote(m.As), quote(m.As+"_old"))}
	}
	m.Name = m.As
	return err
}

// leave drops tables that this sink has made and uses no more, unless somebody else's rows are in them.
func (o *opening) leave(ctx context.Context) error {
	old := o.former
	if o.own != nil {
		old = append(slices.Clone(old), o.own)
	}
	for _, f := range old {
		for _, m := range f.Tables {
			if slices.ContainsFunc(o.tables, func(t *table) bool { return t.schema == m.Schema && t.name == m.Name }) {
				continue
			}
			if err := o.drop(ctx, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop drops a table, or keeps it where rows are in it that are not Freshet's, or something depends on it.
func (o *opening) drop(ctx context.Context, m madeTable) error {
	name := quote(m.Schema) + "." + quote(m.Name)
	there, err := value(ctx, o.conn, "SELECT oid::text FROM pg_class WHERE oid = to_regclass($1)", name)
	if err != nil || there == "" || o.sink.o.Unmanaged {
		return err
	}
	if there != strconv.FormatUint(uint64(m.OID), 10) {
		o.sink.o.Logger.Warn("a table is left as it is: somebody else has made it anew", "table", name)
		return nil
	}
	foreign, err := value(ctx, o.conn, fmt.Sprintf("SELECT 1 FROM %s WHERE %s IS NULL LIMIT 1", name, versionColumn))
	if err != nil {
		return err
	}
	if foreign != "" {
		o.sink.o.Logger.Warn("a table that is used no more stays: rows are in it that are not Freshet's", "table", name)
		return o.exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s IS NOT NULL", name, versionColumn))
	}
	err = o.try(ctx, "DROP TABLE "+name)
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == "2BP01" { // dependent_objects_still_exist
		o.sink.o.Logger.Warn("a table that is used no more stays, emptied: something depends on it", "table", name, "detail", server.Detail)
		return o.exec(ctx, "DELETE FROM "+name)
	}
	return err
}

// decide counts the rows, says what the tables hold and writes the record, which fences the generation (I3).
func (o *opening) decide(ctx context.Context) (p stream.Progress, rows int64, err error) {
	for _, t := range o.tables {
		n, err := count(ctx, o.conn, t)
		if err != nil {
			return p, 0, err
		}
		rows += n
	}
	p.Generation = o.target.Generation
	for _, r := range append(slices.Clone(o.former), o.own) {
		if r != nil {
			p.Generation = max(p.Generation, r.Generation)
		}
	}
	if o.own == nil && len(o.former) == 0 && rows > 0 {
		// The record is gone, and rows are there: what is written now has to be newer than they are (I3).
		for _, t := range o.tables {
			newest, err := value(ctx, o.conn, fmt.Sprintf("SELECT coalesce(max(%s) >> 40, 0) FROM %s", versionColumn, t.quoted()))
			if err != nil {
				return p, 0, err
			}
			generation, err := strconv.ParseUint(newest, 10, 64)
			if err != nil {
				return p, 0, err
			}
			p.Generation = max(p.Generation, generation)
		}
	}
	p.Generation++
	if o.own != nil {
		p.Epoch = o.own.Epoch
		o.undone = o.undone || rows < o.own.Rows
	}
	p.Foreign = o.own == nil && rows > 0
	p.Wiped = o.undone && o.own != nil && o.own.Epoch > 0 || p.Epoch < o.target.Epoch // I10
	if p.Wiped {
		p.Epoch = 0
	}
	err = o.put(ctx, &record{Flow: o.target.Flow, Sink: o.target.Sink, Instance: o.target.Instance, State: o.target.State, Generation: p.Generation, Epoch: p.Epoch, Rows: rows})
	return p, rows, err
}

// count counts the rows of a table that are Freshet's.
func count(ctx context.Context, conn *pgconn.PgConn, t *table) (int64, error) {
	text, err := value(ctx, conn, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s IS NOT NULL", t.quoted(), versionColumn))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

func (o *opening) exec(ctx context.Context, sql string) error {
	return o.conn.Exec(ctx, sql).Close()
}

// define runs a statement that changes the schema, and remembers it.
func (o *opening) define(ctx context.Context, statement string) error {
	o.done = append(o.done, statement)
	return o.exec(ctx, statement)
}

// try runs a statement whose failure leaves the transaction as it was.
func (o *opening) try(ctx context.Context, sql string) error {
	if err := o.exec(ctx, "SAVEPOINT attempt"); err != nil {
		return err
	}
	if err := o.exec(ctx, sql); err != nil {
		var server *pgconn.PgError
		if !errors.As(err, &server) {
			return err
		}
		return errors.Join(err, o.exec(ctx, "ROLLBACK TO SAVEPOINT attempt"))
	}
	o.done = append(o.done, sql)
	return o.exec(ctx, "RELEASE SAVEPOINT attempt")
}
