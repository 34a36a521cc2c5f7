package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
)

// table is a table as the catalog tells it, and what is read of it.
type table struct {
	oid        uint32
	schema     string
	name       string
	kind       byte // of pg_class.relkind: r, or p of a partitioned one
	identity   byte // of pg_class.relreplident: d, f, i, n
	readable   bool // this role may SELECT
	logged     bool // its changes are in the server's log
	columns    []column
	key        []int    // indices into columns
	deferrable bool     // its primary key is checked late
	unkept     []string // columns that the log does not hold of old rows

	where   string // condition of the rows that are read, as SQL
	rekeyed bool   // its replica identity is an index of more columns, by which older versions read it
	keyless bool   // its replica identity is an index that does not hold the primary key

	rows   float64 // estimate of the catalog
	pages  int64   // of it too; 0 of a partitioned one
	option TableOptions
}

// column is a column as the catalog tells it.
type column struct {
	name     string
	number   int32  // pg_attribute.attnum, which it keeps for ever: another column of its name has another one
	declared uint32 // OID of its type, which may be a domain
	modifier int32
	native   string // as format_type writes it
	plain    string // what a domain stands for; empty of other types
	notNull  bool
	base     sqlType
	codec    codec
}

// String is the table's name as SQL takes it.
func (t *table) String() string { return pgx.Identifier{t.schema, t.name}.Sanitize() }

// plain is the name as people write it.
func (t *table) plain() string { return t.schema + "." + t.name }

func (t *table) names(of []int) []string {
	names := make([]string, len(of))
	for i, c := range of {
		names[i] = pgx.Identifier{t.columns[c].name}.Sanitize()
	}
	return names
}

// schemaOf is the schema of a table's collection.
func (t *table) schemaOf() *cdc.Schema {
	s := &cdc.Schema{Key: slices.Clone(t.key)}
	for i, c := range t.columns {
		typ := cdc.Type{Kind: c.codec.kind(), Nullable: !c.notNull, Native: c.native, Base: c.plain}
		if typ.Kind == cdc.Vector && c.base.modifier > 0 {
			typ.Dims = int(c.base.modifier)
		}
		if slices.Contains(t.key, i) {
			typ.Nullable = false
		}
		s.Columns = append(s.Columns, cdc.Column{Name: c.name, Type: typ})
	}
	return s
}

// errNoTable is a table that the database does not have, or that this role may not see.
var errNoTable = errors.New("there is no such table")

const tableQuery = `SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relreplident::text, c.reltuples::float8, c.relpages::int8,
	has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT'), c.relpersistence = 'p'
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass($1)`

// A domain is followed to the type that it stands for.
const columnsQuery = `SELECT a.attname, a.attnum::int4, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod),
	CASE WHEN b.oid <> a.atttypid THEN pg_catalog.format_type(b.oid, b.modifier) ELSE '' END, a.attnotnull, b.oid, b.modifier, b.typname, b.typtype::text, b.typoutput::pg_catalog.regproc::text
FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL (
	WITH RECURSIVE d AS (
		SELECT t.oid, t.typtype, t.typbasetype, t.typname, t.typtypmod, t.typoutput, a.atttypmod AS modifier
		FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
		UNION ALL
		SELECT t.oid, t.typtype, t.typbasetype, t.typname, t.typtypmod, t.typoutput, d.typtypmod
		FROM d JOIN pg_catalog.pg_type t ON t.oid = d.typbasetype WHERE d.typtype = 'd')
	SELECT * FROM d WHERE d.typtype <> 'd') b
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum`

const indexQuery = `SELECT i.indisprimary, i.indisreplident, i.indimmediate,
	(SELECT array_agg(k::int4 ORDER BY o) FROM unnest(i.indkey::int2[]) WITH ORDINALITY x(k, o) WHERE o <= i.indnkeyatts)
FROM pg_catalog.pg_index i WHERE i.indrelid = $1 AND i.indisvalid AND (i.indisprimary OR i.indisreplident)`

// readTable introspects a table by the name that the flow gives it.
func readTable(ctx context.Context, c *pgx.Conn, o TableOptions) (*table, error) {
	t := &table{option: o, where: strings.TrimSpace(o.Where)}
	var kind, identity string
	err := c.QueryRow(ctx, tableQuery, o.Table).Scan(&t.oid, &t.schema, &t.name, &kind, &identity, &t.rows, &t.pages, &t.readable, &t.logged)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, errNoTable
	case err != nil:
		return nil, fmt.Errorf("look up table %s: %w", o.Table, err)
	}
	t.kind, t.identity = kind[0], identity[0]
	if err := t.readColumns(ctx, c); err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", t.plain(), err)
	}
	if err := t.readKey(ctx, c); err != nil {
		return nil, fmt.Errorf("read the key of %s: %w", t.plain(), err)
	}
	return t, nil
}

func (t *table) readColumns(ctx context.Context, c *pgx.Conn) error {
	rows, err := c.Query(ctx, columnsQuery, t.oid)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var x column
		var class string
		if err := rows.Scan(&x.name, &x.number, &x.declared, &x.modifier, &x.native, &x.plain, &x.notNull, &x.base.oid, &x.base.modifier,
			&x.base.name, &class, &x.base.output); err != nil {
			return err
		}
		x.base.class = class[0]
		x.codec = codecOf(x.base)
		t.columns = append(t.columns, x)
	}
	return rows.Err()
}

// readKey finds the key.
func (t *table) readKey(ctx context.Context, c *pgx.Conn) error {
	rows, err := c.Query(ctx, indexQuery, t.oid)
	if err != nil {
		return err
	}
	defer rows.Close()
	var primary, identity []int
	for rows.Next() {
		var isPrimary, isIdentity, immediate bool
		var attributes []int32
		if err := rows.Scan(&isPrimary, &isIdentity, &immediate, &attributes); err != nil {
			return err
		}
		var of []int
		for _, n := range attributes {
			if i := slices.IndexFunc(t.columns, func(x column) bool { return x.number == n }); i >= 0 {
				of = append(of, i)
			}
		}
		if len(of) != len(attributes) || len(of) == 0 {
			continue // over an expression or a generated column, which are not sent
		}
		if isPrimary {
			primary, t.deferrable = of, !immediate
		}
		if isIdentity {
			identity = of
		}
	}
	t.chooseKey(primary, identity)
	return rows.Err()
}

// chooseKey takes the columns of the primary key and of the replica identity index, where there are such. The key is the primary
// key, and the index where there is none: never the index beside a primary key that a DELETE does not carry.
func (t *table) chooseKey(primary, identity []int) {
	var kept []int
	lacks := func(k int) bool { return !slices.Contains(identity, k) }
	switch t.identity {
	case 'i':
		kept = identity
		switch {
		case primary == nil:
			t.key = identity
		case t.deferrable:
		case slices.ContainsFunc(primary, lacks):
			t.keyless = true
		default:
			t.key, t.rekeyed = primary, !slices.Equal(primary, identity)
		}
	case 'd':
		if !t.deferrable {
			t.key, kept = primary, primary
		}
	case 'f':
		t.key = primary
		return
	}
	for i, c := range t.columns {
		if !slices.Contains(kept, i) {
			t.unkept = append(t.unkept, c.name)
		}
	}
}

// restrict drops the columns that the flow does not list; key columns stay.
func (t *table) restrict(listed []string) error {
	if len(listed) == 0 {
		return nil
	}
	for _, name := range listed {
		if !slices.ContainsFunc(t.columns, func(c column) bool { return c.name == name }) {
			return &cdc.SourceError{Code: "unknown_column", Err: fmt.Errorf("table %s has no column %q", t.plain(), name),
				Hint: "its columns are " + strings.Join(t.columnNames(), ", ")}
		}
	}
	var kept []column
	place := map[int]int{}
	for i, c := range t.columns {
		if slices.Contains(t.key, i) || slices.Contains(listed, c.name) {
			place[i] = len(kept)
			kept = append(kept, c)
		}
	}
	t.columns = kept
	for i, k := range t.key {
		t.key[i] = place[k]
	}
	return nil
}

func (t *table) columnNames() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}
