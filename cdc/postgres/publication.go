package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/freshet/freshet/cdc"
)

// publication is what the catalog says of one.
type publication struct {
	all      bool // FOR ALL TABLES
	complete bool // it publishes inserts, updates, deletes and truncates
	viaRoot  bool
	comment  string
	tables   map[string]published // by schema and name, as quoted SQL
}

type published struct {
	columns []string // nil: all
	where   string
}

// ownMark begins the comment of publications that this source has made.
const ownMark = "made by freshet; definition "

func (p *publication) own() bool { return strings.HasPrefix(p.comment, ownMark) }

// readPublication reads one; nil where there is none. version 0 leaves out its tables.
func readPublication(ctx context.Context, c *pgx.Conn, name string, version int) (*publication, error) {
	p := &publication{tables: map[string]published{}}
	err := c.QueryRow(ctx, `SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate, pubviaroot,
		coalesce(pg_catalog.obj_description(oid, 'pg_publication'), '') FROM pg_catalog.pg_publication WHERE pubname = $1`, name).
		Scan(&p.all, &p.complete, &p.viaRoot, &p.comment)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up publication %s: %w", name, err)
	}
	if version == 0 {
		return p, nil
	}
	what := "NULL::text[], ''"
	if version >= 150000 {
		what = "attnames::text[], coalesce(rowfilter, '')"
	}
	rows, err := c.Query(ctx, "SELECT schemaname, tablename, "+what+" FROM pg_catalog.pg_publication_tables WHERE pubname = $1", name)
	if err != nil {
		return nil, fmt.Errorf("read publication %s: %w", name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var schema, table string
		var x published
		if err := rows.Scan(&schema, &table, &x.columns, &x.where); err != nil {
			return nil, fmt.Errorf("read publication %s: %w", name, err)
		}
		p.tables[pgx.Identifier{schema, table}.Sanitize()] = x
	}
	return p, rows.Err()
}

// definition is what a publication of the tables is for.
func definition(tables []*table) string {
	parts := make([]string, len(tables))
	for i, t := range tables {
		parts[i] = t.String()
		if t.where != "" {
			end := ")"
			if strings.Contains(t.where, "--") {
				end = "\n)" // behind a comment
			}
			parts[i] += " WHERE (" + t.where + end
		}
	}
	return strings.Join(parts, ", ")
}

// checkPublication makes sure that the publication fits, or that this role may make it. A publication that
// others have made is used as it is: the first rows are those that it publishes.
func (s *Source) checkPublication(ctx context.Context, c *pgx.Conn, f *facts) error {
	name, p := s.options.Publication, f.publication
	create := fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s WITH (publish_via_partition_root = true)", quoted(name), definition(f.tables))
	if (p == nil || p.own()) && f.standby {
		if fits, _ := s.fits(f); !fits {
			return wrong("rights", "on the primary, as the tables' owner: "+create, "there is no publication %s of just these tables, and the server is a standby, on which none can be made", name)
		}
		return nil
	}
	if p == nil || p.own() {
		for _, t := range f.tables {
			var owner bool
			if err := c.QueryRow(ctx, "SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = $1", t.oid).Scan(&owner); err != nil {
				return fmt.Errorf("look at the rights on %s: %w", t.plain(), err)
			}
			in := false
			if p != nil {
				_, in = p.tables[t.String()]
			}
			if !in && (!owner || p == nil && !f.mayCreate) {
				return wrong("rights", "as the tables' owner: "+create, "there is no publication %s with table %s, and role %s may not make it", name, t.plain(), f.role)
			}
		}
		return nil
	}
	if !p.complete {
		return wrong("rights", fmt.Sprintf("ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate')", quoted(name)),
			"publication %s leaves out some kinds of changes", name)
	}
	for _, t := range f.tables {
		x, in := p.tables[t.String()]
		if !in && t.kind == 'p' && !p.viaRoot {
			in = true // its partitions are listed
		}
		if !in {
			return wrong("rights", fmt.Sprintf("as its owner: ALTER PUBLICATION %s ADD TABLE %s", quoted(name), t), "publication %s does not hold table %s", name, t.plain())
		}
		if t.where != "" && x.where == "" {
			return wrong("rights", fmt.Sprintf("as its owner: ALTER PUBLICATION %s SET TABLE %s", quoted(name), definition(f.tables)),
				"publication %s does not filter the rows of table %s", name, t.plain())
		}
		if t.where != "" {
			same, err := t.sameRows(ctx, c, x.where)
			if err != nil {
				return err
			}
			if !same {
				return wrong("rights", fmt.Sprintf("as its owner: ALTER PUBLICATION %s SET TABLE %s", quoted(name), definition(f.tables)),
					"publication %s filters the rows of table %s by %s, and the source by %s", name, t.plain(), x.where, t.where)
			}
		}
		t.where = x.where
		if err := t.checkIdentity(); err != nil {
			return err
		}
		if len(x.columns) > 0 {
			if err := t.published(name, x.columns); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameRows reports whether the server takes a condition for that of the table: it plans both alike.
func (t *table) sameRows(ctx context.Context, c *pgx.Conn, where string) (bool, error) {
	var plans [2][]string
	for i, w := range []string{t.where, where} {
		rows, err := c.Query(ctx, "EXPLAIN (COSTS OFF) SELECT FROM "+t.String()+" WHERE ("+w+"\n)")
		if err == nil {
			plans[i], err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			return false, fmt.Errorf("plan a filter of table %s: %w", t.plain(), err)
		}
	}
	return slices.Equal(plans[0], plans[1]), nil
}

// published drops the columns that a publication of others leaves out.
func (t *table) published(name string, columns []string) error {
	in := map[string]bool{}
	for _, c := range columns {
		in[c] = true
	}
	for _, k := range t.key {
		if !in[t.columns[k].name] {
			return wrong("rights", fmt.Sprintf("add the column to publication %s", quoted(name)), "publication %s leaves out key column %s of table %s", name, t.columns[k].name, t.plain())
		}
	}
	var kept []string
	for _, c := range t.columns {
		if in[c.name] {
			kept = append(kept, c.name)
		}
	}
	return t.restrict(kept)
}

// fits reports whether the publication is there and need not be altered; mark is what it says if this source has made it.
func (s *Source) fits(f *facts) (fits bool, mark string) {
	p := f.publication
	mark = fmt.Sprintf("%s%08x", ownMark, crc32.ChecksumIEEE([]byte(definition(f.tables))))
	if p == nil {
		return false, mark
	}
	fits = !p.own() || p.comment == mark && p.complete && len(p.tables) == len(f.tables)
	for _, t := range f.tables {
		_, in := p.tables[t.String()]
		fits = fits && (in || !p.own())
	}
	return fits, mark
}

// tryPublication makes the publication and takes it back, where it filters rows: what the server takes as a filter is its own secret.
func (s *Source) tryPublication(ctx context.Context, c *pgx.Conn, f *facts) error {
	if f.standby || !slices.ContainsFunc(f.tables, func(t *table) bool { return t.where != "" }) {
		return nil
	}
	err := s.makePublication(ctx, c, f, false)
	if _, told := errors.AsType[*cdc.SourceError](err); !told {
		return nil // somebody holds the table, say: the run will wait
	}
	return err
}

// ensurePublication makes the publication, or makes the one that this source has made hold its tables.
func (s *Source) ensurePublication(ctx context.Context, c *pgx.Conn, f *facts) error {
	return s.makePublication(ctx, c, f, true)
}

func (s *Source) makePublication(ctx context.Context, c *pgx.Conn, f *facts, keep bool) error {
	name, p := quoted(s.options.Publication), f.publication
	fits, mark := s.fits(f)
	if fits {
		return nil
	}
	statement := fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s WITH (publish_via_partition_root = true)", name, definition(f.tables))
	if p != nil {
		statement = fmt.Sprintf("ALTER PUBLICATION %s SET TABLE %s", name, definition(f.tables))
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		return fmt.Errorf("make publication %s: %w", s.options.Publication, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	statements := []string{statement, fmt.Sprintf("COMMENT ON PUBLICATION %s IS '%s'", name, mark)}
	if !keep {
		statements[1] = statement
		statements[0] = "SET LOCAL lock_timeout = '2s'"
	}
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			if sqlState(err) == stateNoPrivilege {
				return wrong("rights", "as the tables' owner: "+statement, "make publication %s: %w", s.options.Publication, err)
			}
			if faulty(err) {
				return wrong("bad_value", "a where of the source may hold what the server takes in a publication: the table's columns, and types and functions of its own "+
					"that always give the same; filter by more in a step, as in filter: row.n > 1", "make publication %s: %w%s", s.options.Publication, err, detailOf(err))
			}
			return fmt.Errorf("make publication %s: %w", s.options.Publication, err)
		}
	}
	if !keep {
		return nil
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("make publication %s: %w", s.options.Publication, err)
	}
	return nil
}

// detailOf is what the server adds to an error.
func detailOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Detail != "" {
		return ": " + e.Detail
	}
	return ""
}
