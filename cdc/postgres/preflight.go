package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
)

// leastVersion is the oldest server that is read: it sends values in binary form and transactions in parts.
const leastVersion = 140000

// facts are what is known of the server and the tables before anything is made.
type facts struct {
	version       int
	walLevel      string
	standby       bool
	role          string
	replication   bool
	encoding      string
	slots         int // in use
	maxSlots      int
	senderTimeout time.Duration // 0: none
	database      string
	mayCreate     bool // in the database
	mayMark       bool // write messages into the log

	tables      []*table
	publication *publication // nil: there is none
}

const serverQuery = `SELECT current_setting('server_version_num')::int4, current_setting('wal_level'), pg_catalog.pg_is_in_recovery(),
	current_user::text, r.rolsuper OR r.rolreplication OR EXISTS (SELECT FROM pg_catalog.pg_roles m
		WHERE m.rolname IN ('rds_replication', 'azure_pg_admin') AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')),
	current_setting('server_encoding'), (SELECT count(*) FROM pg_catalog.pg_replication_slots)::int4,
	current_setting('max_replication_slots')::int4, (SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'),
	current_database()::text, pg_catalog.has_database_privilege(current_database(), 'CREATE'),
	EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.proname = 'pg_logical_emit_message' AND p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
		AND p.proargtypes[2] = 'text'::pg_catalog.regtype AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`

func readServer(ctx context.Context, c *pgx.Conn) (*facts, error) {
	f := &facts{}
	var timeout int64
	if err := c.QueryRow(ctx, serverQuery).Scan(&f.version, &f.walLevel, &f.standby, &f.role, &f.replication, &f.encoding,
		&f.slots, &f.maxSlots, &timeout, &f.database, &f.mayCreate, &f.mayMark); err != nil {
		return nil, fmt.Errorf("look at the server: %w", err)
	}
	f.senderTimeout = time.Duration(timeout) * time.Millisecond
	return f, nil
}

// wrong is a fault that a person mends.
func wrong(code, hint, format string, args ...any) error {
	return &cdc.SourceError{Code: code, Err: fmt.Errorf(format, args...), Hint: hint}
}

// preflight looks at all that the source needs, and makes nothing.
func (s *Source) preflight(ctx context.Context, c *pgx.Conn) (*facts, error) {
	f, err := readServer(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := f.checkServer(); err != nil {
		return nil, err
	}
	for _, o := range s.options.Tables {
		t, err := readTable(ctx, c, o)
		if err != nil {
			return nil, f.missingTable(ctx, c, o, err)
		}
		if err := f.checkTable(ctx, c, t); err != nil {
			return nil, err
		}
		if err := t.restrict(o.Columns); err != nil {
			return nil, err
		}
		f.tables = append(f.tables, t)
	}
	if !f.replication {
		return nil, wrong("rights", s.options.grantReplication(), "role %s may not replicate", f.role)
	}
	if !f.mayMark && !f.standby {
		return nil, wrong("rights", fmt.Sprintf("as a superuser: GRANT EXECUTE ON FUNCTION pg_catalog.%s TO %s", f.markFunction(), quoted(f.role)),
			"role %s may not write the messages by which rows and changes are put in order", f.role)
	}
	if f.publication, err = readPublication(ctx, c, s.options.Publication, f.version); err != nil {
		return nil, err
	}
	if err := s.checkPublication(ctx, c, f); err != nil {
		return f, err
	}
	return f, s.tryPublication(ctx, c, f)
}

// markFunction is the function that writes marks, as GRANT takes it.
func (f *facts) markFunction() string {
	if f.version >= 170000 {
		return "pg_logical_emit_message(boolean, text, text, boolean)"
	}
	return "pg_logical_emit_message(boolean, text, text)"
}

func (f *facts) checkServer() error {
	switch {
	case f.version < leastVersion:
		return wrong("server_version", "use PostgreSQL 14 or later", "the server is PostgreSQL %d", f.version/10000)
	case f.walLevel != "logical":
		return wrong("wal_level", "as a superuser: ALTER SYSTEM SET wal_level = logical; then restart the server",
			"the server writes its log with wal_level = %s, and changes can be read from logical only", f.walLevel)
	case f.encoding != "UTF8":
		return wrong("bad_encoding", "move the tables to a database with ENCODING 'UTF8'", "database %s is encoded in %s", f.database, f.encoding)
	case f.standby && f.version < 160000:
		return wrong("server_standby", "name the primary in the dsn; standbys can be read from PostgreSQL 16 on", "the server is a standby")
	}
	return nil
}

// missingTable tells of a table that could not be introspected.
func (f *facts) missingTable(ctx context.Context, c *pgx.Conn, o TableOptions, err error) error {
	schema, _, qualified := strings.Cut(o.Table, ".")
	if sqlState(err) == stateNoPrivilege {
		return wrong("rights", fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s", schema, quoted(f.role)), "role %s may not look into the schema of table %s", f.role, o.Table)
	}
	if !errors.Is(err, errNoTable) {
		return err
	}
	hint := "name a table of database " + f.database + " as schema.table"
	if rows, e := c.Query(ctx, `SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 10`); e == nil {
		if names, e := pgx.CollectRows(rows, pgx.RowTo[string]); e == nil && len(names) > 0 {
			hint += "; it has " + strings.Join(names, ", ")
		}
	}
	if !qualified {
		hint += "; without a schema a table is looked for in the search path"
	}
	return wrong("no_table", hint, "database %s has no table %s", f.database, o.Table)
}

// checkTable makes sure that a table's rows can be told apart, and that publishing it hinders no UPDATE or
// DELETE of the application.
func (f *facts) checkTable(ctx context.Context, c *pgx.Conn, t *table) error {
	switch {
	case t.kind != 'r' && t.kind != 'p':
		return wrong("no_table", "name a table, not a view", "%s is no table", t.plain())
	case !t.readable:
		return wrong("rights", fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT ON %s TO %s", quoted(t.schema), quoted(f.role), t, quoted(f.role)),
			"role %s may not read table %s", f.role, t.plain())
	case !t.logged:
		return wrong("not_logged", fmt.Sprintf("ALTER TABLE %s SET LOGGED", t), "table %s is unlogged: its changes are in no log", t.plain())
	case t.identity == 'n':
		return wrong("no_key", fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY DEFAULT", t), "table %s has REPLICA IDENTITY NOTHING: its updates cannot be told", t.plain())
	case len(t.key) == 0 && t.deferrable:
		return wrong("no_key", fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL", t), "the primary key of table %s is deferrable, and does not serve as its replica identity", t.plain())
	case t.keyless:
		return wrong("no_key", fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY DEFAULT", t),
			"the replica identity of table %s is an index that does not hold its primary key: the server does not tell which row was deleted", t.plain())
	case len(t.key) == 0:
		return wrong("no_key", fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (…), or ALTER TABLE %s REPLICA IDENTITY USING INDEX …", t, t),
			"table %s has no primary key and no replica identity index", t.plain())
	}
	for _, k := range t.key {
		if !cdc.Keyable(t.columns[k].codec.kind()) {
			return wrong("no_key", "give the table a key of numbers, texts, dates or uuids", "key column %s of table %s is a %s, which is no key", t.columns[k].name, t.plain(), t.columns[k].native)
		}
	}
	if t.where == "" {
		return nil
	}
	if f.version < 150000 {
		return wrong("server_version", "use PostgreSQL 15 or later, or filter in a step", "table %s: the server does not filter rows", t.plain())
	}
	if _, err := c.Exec(ctx, "EXPLAIN SELECT FROM "+t.String()+" WHERE ("+t.where+"\n)"); err != nil {
		if !faulty(err) {
			return fmt.Errorf("ask the server about the where of table %s: %w", t.plain(), err)
		}
		return wrong("bad_value", "write a condition in SQL over the table's columns, such as n % 2 = 0", "where of table %s: %w", t.plain(), err)
	}
	return t.checkIdentity()
}

// checkIdentity makes sure that the server keeps of old rows what the condition reads, if there is one. A column counts as
// read when its name stands in the condition.
func (t *table) checkIdentity() error {
	at := slices.IndexFunc(t.unkept, func(name string) bool { return namesWord(t.where, name) })
	if at < 0 {
		return nil
	}
	return wrong("rights", fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL", t),
		"where of table %s reads column %s, which the server does not keep of old rows: it could not tell when a row leaves", t.plain(), t.unkept[at])
}

// namesWord reports whether a word stands in SQL outside of its literals.
func namesWord(sql, word string) bool {
	inside := false
	var plain strings.Builder
	for _, x := range sql {
		if x == '\'' {
			inside = !inside
		}
		if inside {
			x = ' '
		}
		plain.WriteRune(x)
	}
	boundary := func(r rune) bool {
		return !(r == '_' || r == '$' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 127)
	}
	return slices.ContainsFunc(strings.FieldsFunc(plain.String(), boundary), func(w string) bool { return strings.EqualFold(w, word) }) ||
		strings.Contains(plain.String(), quoted(word))
}

func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }
