package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
)

// countedRows is up to how many rows a table is counted that the server has no statistics of: a new one most often. Of
// a larger one their share of its pages tells how many there are.
const countedRows = 20_000

// Estimates are the rows of the collections as the catalog estimates them, in their order. Of a partitioned table it is
// the sum over its partitions. A table that was never analysed is counted, up to 20,000 rows; how many more
// there are is told by its size. Bytes are told by the length of some rows, written as text.
func (s *Source) Estimates(ctx context.Context) ([]cdc.Estimate, error) {
	c, err := s.options.connect(ctx)
	if err != nil {
		return nil, reachable(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	var all []cdc.Estimate
	for _, o := range s.options.Tables {
		rows, err := estimate(ctx, c, &o)
		if err != nil {
			return nil, fmt.Errorf("estimate the rows of %s: %w", o.Table, err)
		}
		all = append(all, rows)
	}
	return all, nil
}

// sampledRows are looked at to tell how long the others are.
const sampledRows = 200

func estimate(ctx context.Context, c *pgx.Conn, o *TableOptions) (all cdc.Estimate, err error) {
	rows, name, err := estimateRows(ctx, c, o.Table)
	if err != nil {
		return all, err
	}
	all.Rows = int64(rows)
	columns := "*"
	if len(o.Columns) > 0 {
		columns = quotedAll(o.Columns)
	}
	var long float64
	err = c.QueryRow(ctx, fmt.Sprintf("SELECT coalesce(avg(octet_length(sampled::text)), 0)::float8 FROM (SELECT %s FROM %s LIMIT %d) sampled", columns, name, sampledRows)).Scan(&long)
	all.Bytes = int64(long * float64(all.Rows))
	return all, err
}

// asks is a session, or a transaction of one.
type asks interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// estimateRows tells about how many rows a table has, and its name as the server writes it: quoted where it has to be.
func estimateRows(ctx context.Context, c asks, table string) (rows float64, name string, err error) {
	var unknown bool
	err = c.QueryRow(ctx, `SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::float8, coalesce(bool_or(c.reltuples < 0), false),
		coalesce(pg_catalog.to_regclass($1)::text, '') FROM pg_catalog.pg_class c WHERE c.relkind = 'r' AND
		(c.oid = pg_catalog.to_regclass($1) OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)) WHERE isleaf))`,
		table).Scan(&rows, &unknown, &name)
	if err != nil || !unknown {
		return rows, name, err
	}
	var counted float64
	err = c.QueryRow(ctx, fmt.Sprintf("SELECT count(*)::float8 FROM (SELECT FROM %s LIMIT %d) counted", name, countedRows)).Scan(&counted)
	if err != nil || counted < countedRows {
		return max(rows, counted), name, err
	}
	dense, err := estimateBySize(ctx, c, name)
	return max(rows, counted, dense), name, err
}

// estimateBySize holds the pages that some rows lie on against all pages of a table and its partitions. A role that may read
// some columns alone may not see where rows lie: then it is 0.
func estimateBySize(ctx context.Context, c asks, name string) (rows float64, err error) {
	var readable bool
	if err := c.QueryRow(ctx, "SELECT pg_catalog.has_table_privilege($1, 'SELECT')", name).Scan(&readable); err != nil || !readable {
		return 0, err
	}
	err = c.QueryRow(ctx, fmt.Sprintf(`SELECT coalesce(count(*)::float8 / nullif(count(DISTINCT (leaf, page)), 0), 0) * (
		SELECT coalesce(sum(pg_catalog.pg_relation_size(p.oid)), 0)::float8 / pg_catalog.current_setting('block_size')::float8 FROM pg_catalog.pg_class p
		WHERE p.oid = pg_catalog.to_regclass($1) OR p.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)) WHERE isleaf))
		FROM (SELECT tableoid AS leaf, (ctid::text::point)[0] AS page FROM %s LIMIT %d) seen`, name, countedRows), name).Scan(&rows)
	return rows, err
}

// quotedAll writes names as a list of columns.
func quotedAll(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = quoted(name)
	}
	return strings.Join(all, ", ")
}
