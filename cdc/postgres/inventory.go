package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
)

// Inventory is what the tables of one schema are like, as the catalog tells it.
type Inventory struct {
	Database string
	Major    int           // version of the server
	Tables   []TableReport // in the order of their names
}

// TableReport is what the catalog says of a table.
type TableReport struct {
	Schema, Name string
	// Table names it as [TableOptions.Table] takes it, quoted where it has to be.
	Table string
	// Rows is an estimate; it is negative where the table was never analysed, and was too busy to be counted.
	Rows float64
	// Key names the columns of the key; nil where there is none.
	Key []string
	// Columns are those that a source reads, in the order of the table. Generated ones are not among them.
	Columns []ColumnReport
	// Fault says why a source would refuse the table, with the SQL that mends it as its hint; nil where it would not.
	Fault *cdc.SourceError
}

// ColumnReport is what the catalog says of a column.
type ColumnReport struct {
	cdc.Column
	// Text tells that its values are texts. Enums, and types of which just the text form is read, are none.
	Text bool
	// Whole tells that the values are of one of the types of [cdc] and not just the text form of another.
	Whole bool
	// Width is the average length in bytes of values that are not null; 0 where nothing is known of it.
	Width float64
	// Limit is the n of varchar(n) and char(n); 0 where there is none.
	Limit int
}

// Tables of extensions are theirs; a partition is read by its root; what is temporary ends with its session.
const inventoryQuery = `SELECT c.relname,
	c.relkind = 'p' OR c.reltoastrelid <> 0 AND pg_catalog.pg_relation_size(c.reltoastrelid) > 0
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND NOT EXISTS (
	SELECT FROM pg_catalog.pg_depend d
	WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e')
ORDER BY c.relname COLLATE "C"`

// The rows of a partitioned table are inherited.
const widthsQuery = `SELECT s.tablename, s.attname, s.avg_width::float8
FROM pg_catalog.pg_stats s JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
WHERE s.schemaname = $1 AND s.inherited = (c.relkind = 'p')`

// Bounds of a look at the lengths of values.
const (
	sampleRows     = 200
	sampleTimeouts = "SET LOCAL statement_timeout = '1s'; SET LOCAL lock_timeout = '200ms'"
)

// TakeInventory tells which tables a schema of a database has, and what a source would make of each. It reads
// the catalog, and makes nothing on the server. Where the server's statistics do not tell how many rows a table has, or how
// long texts are, it counts some or asks for the lengths of some, for a second at most, and goes on without where that is too long.
//
// The dsn is one of [Options]. One that cannot be read is an [*cdc.OptionError] that repeats nothing of it; a server
// that does not answer, or a right without which the catalog cannot be read, is a [*cdc.SourceError].
func TakeInventory(ctx context.Context, dsn, schema string) (*Inventory, error) {
	o := Options{DSN: dsn}
	if _, err := o.config(false); err != nil || torn(dsn) {
		// What a parser says of it quotes the place of the fault, which may be within a password.
		return nil, &cdc.OptionError{Option: "dsn", Err: errors.New("it is no connection string"),
			Hint: "write postgres://user:password@host:5432/database; in user and password the characters @ : / ? # [ ] % are written as %40 %3A %2F %3F %23 %5B %5D %25"}
	}
	c, err := o.connect(ctx)
	if err != nil {
		return nil, reachable(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	f, err := readServer(ctx, c)
	if err != nil {
		return nil, reachable(err)
	}
	in := &Inventory{Database: f.database, Major: f.version / 10000}
	if in.Tables, err = f.reports(ctx, c, schema); err != nil {
		return nil, reachable(err)
	}
	return in, nil
}

// torn reports whether a password with a character such as / has cut a URL in two: then what a parser takes for
// port and database are pieces of the password.
func torn(dsn string) bool {
	u, err := url.Parse(dsn)
	return err == nil && u.Host != "" && u.User == nil && strings.Contains(dsn, "@")
}

// listed is a table that a schema has.
type listed struct {
	name      string
	outOfLine bool // it may hold values out of line, of which the statistics count just the pointers
}

func (f *facts) reports(ctx context.Context, c *pgx.Conn, schema string) ([]TableReport, error) {
	rows, err := c.Query(ctx, inventoryQuery, schema)
	if err != nil {
		return nil, fmt.Errorf("list the tables of schema %s: %w", schema, err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l listed, err error) {
		return l, row.Scan(&l.name, &l.outOfLine)
	})
	if err != nil {
		return nil, fmt.Errorf("list the tables of schema %s: %w", schema, err)
	}
	widths, err := readWidths(ctx, c, schema)
	if err != nil {
		return nil, err
	}
	var reports []TableReport
	for _, l := range tables {
		o := TableOptions{Table: tableName(schema, l.name)}
		t, err := readTable(ctx, c, o)
		if errors.Is(err, errNoTable) {
			continue // it was dropped since the list was made
		}
		if err != nil {
			return nil, f.missingTable(ctx, c, o, err)
		}
		report := t.report(widths)
		err = f.checkTable(ctx, c, t)
		switch {
		case err == nil:
			if err := t.sample(ctx, c, l.outOfLine, report.Columns); err != nil {
				return nil, err
			}
			if report.Rows, err = t.count(ctx, c); err != nil {
				return nil, err
			}
		case !errors.As(err, &report.Fault):
			return nil, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// columnPlace is a column by its names.
type columnPlace struct{ table, column string }

func readWidths(ctx context.Context, c *pgx.Conn, schema string) (map[columnPlace]float64, error) {
	widths := map[columnPlace]float64{}
	var at columnPlace
	var width float64
	rows, err := c.Query(ctx, widthsQuery, schema)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&at.table, &at.column, &width}, func() error {
			widths[at] = width
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read the statistics of schema %s: %w", schema, err)
	}
	return widths, nil
}

// sample measures texts of which the statistics say nothing or, where some values lie out of line, too little. The
// server tells lengths without reading what lies there.
func (t *table) sample(ctx context.Context, c *pgx.Conn, outOfLine bool, columns []ColumnReport) error {
	var names, averages []string
	var widths []*float64
	var of []int
	for i, x := range columns {
		if x.Text && (outOfLine || x.Width == 0) {
			name := quoted(x.Name)
			names, averages = append(names, name), append(averages, "avg(pg_catalog.octet_length("+name+"))::float8")
			widths, of = append(widths, nil), append(of, i)
		}
	}
	if len(of) == 0 {
		return nil
	}
	into := make([]any, len(widths))
	for i := range widths {
		into[i] = &widths[i]
	}
	err := soon(ctx, c, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, fmt.Sprintf("SELECT %s FROM (SELECT %s FROM %s LIMIT %d) sample",
			strings.Join(averages, ", "), strings.Join(names, ", "), t, sampleRows)).Scan(into...)
	})
	if err != nil {
		return fmt.Errorf("measure texts of table %s: %w", t.plain(), err)
	}
	for i, width := range widths { // none where the server refused: it is busy, or some column may not be read
		if width != nil {
			columns[of[i]].Width = *width
		}
	}
	return nil
}

// count tells about how many rows the table has; it is negative where nothing is known.
func (t *table) count(ctx context.Context, c *pgx.Conn) (float64, error) {
	rows := float64(-1)
	err := soon(ctx, c, func(tx pgx.Tx) error {
		told, _, err := estimateRows(ctx, tx, tableName(t.schema, t.name))
		if err == nil {
			rows = told
		}
		return err
	})
	if err != nil {
		return rows, fmt.Errorf("count rows of table %s: %w", t.plain(), err)
	}
	return rows, nil
}

// soon asks what is good to know and may not take long. What the server refuses, since it is busy or some column may not be read, is no error.
func soon(ctx context.Context, c *pgx.Conn, ask func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, c, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Conn().PgConn().Exec(ctx, sampleTimeouts).ReadAll(); err != nil {
			return err
		}
		return ask(tx)
	})
	if err != nil && sqlState(err) == "" {
		return err
	}
	return nil
}

func (t *table) report(widths map[columnPlace]float64) TableReport {
	r := TableReport{Schema: t.schema, Name: t.name, Table: tableName(t.schema, t.name), Rows: t.rows}
	for _, k := range t.key {
		r.Key = append(r.Key, t.columns[k].name)
	}
	for i, c := range t.schemaOf().Columns {
		x := t.columns[i]
		column := ColumnReport{Column: c, Whole: x.codec != codecText, Width: widths[columnPlace{t.name, c.Name}]}
		column.Text = x.codec == codecString && x.base.class != 'e' && x.base.oid != oidName
		if x.base.oid == oidVarchar || x.base.oid == oidBpchar {
			column.Limit = max(0, int(x.base.modifier)-4) // the modifier counts a header of 4 bytes
		}
		r.Columns = append(r.Columns, column)
	}
	return r
}

// tableName writes the name of a table as to_regclass reads it, without quotes where it can.
func tableName(schema, name string) string {
	return quotedWhereNeeded(schema) + "." + quotedWhereNeeded(name)
}

// quotedWhereNeeded writes a name as plain as SQL takes it.
func quotedWhereNeeded(name string) string {
	for i, x := range name {
		if !(x == '_' || x >= 'a' && x <= 'z' || i > 0 && x >= '0' && x <= '9') {
			return quoted(name)
		}
	}
	return name
}
