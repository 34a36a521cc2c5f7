package postgres

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
)

// Found is a table that a flow can read as it stands.
type Found struct {
	Table  string // as TableOptions takes it, such as public.docs
	Name   string // without its schema
	Schema *cdc.Schema
	Rows   int64 // as the catalog estimates; -1 where it does not know
}

// Discover lists the tables of the schema public that have a key, by name. It makes nothing on the server.
func Discover(ctx context.Context, dsn string) ([]Found, error) {
	o := Options{DSN: dsn, Logger: slog.New(slog.DiscardHandler)}
	c, err := o.connect(ctx)
	if err != nil {
		return nil, reachable(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	rows, err := c.Query(ctx, `SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relnamespace = 'public'::pg_catalog.regnamespace
		AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p' ORDER BY c.relname`)
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	var found []Found
	for _, name := range names {
		option := "public." + quotedWhereNeeded(name)
		t, err := readTable(ctx, c, TableOptions{Table: option})
		if err != nil {
			return nil, err
		}
		f := &facts{}
		if f.checkTable(ctx, c, t) != nil {
			continue // without a key, or not to be read by this role
		}
		found = append(found, Found{Table: option, Name: name, Schema: t.schemaOf(), Rows: int64(t.rows)})
	}
	return found, nil
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

// Estimates are the rows of the collections as the catalog estimates them, in their order; -1 where it does
// not know. Of a partitioned table it is the sum over its partitions.
func (s *Source) Estimates(ctx context.Context) ([]int64, error) {
	c, err := s.options.connect(ctx)
	if err != nil {
		return nil, reachable(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	var all []int64
	for _, o := range s.options.Tables {
		var rows float64
		err := c.QueryRow(ctx, `SELECT coalesce(sum(c.reltuples), -1)::float8 FROM pg_catalog.pg_class c WHERE c.relkind = 'r' AND
			(c.oid = pg_catalog.to_regclass($1) OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)) WHERE isleaf))`, o.Table).Scan(&rows)
		if err != nil {
			return nil, fmt.Errorf("estimate the rows of %s: %w", o.Table, err)
		}
		all = append(all, int64(max(rows, -1)))
	}
	return all, nil
}
