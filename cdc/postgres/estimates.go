package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// countedRows is up to how many rows a table is counted that the server has no statistics of: a new one most often.
const countedRows = 20_000

// Estimates are the rows of the collections as the catalog estimates them, in their order. Of a partitioned table it is
// the sum over its partitions. A table that was never analysed is counted, up to 20,000 rows.
func (s *Source) Estimates(ctx context.Context) ([]int64, error) {
	c, err := s.options.connect(ctx)
	if err != nil {
		return nil, reachable(err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	var all []int64
	for _, o := range s.options.Tables {
		rows, err := estimate(ctx, c, o.Table)
		if err != nil {
			return nil, fmt.Errorf("estimate the rows of %s: %w", o.Table, err)
		}
		all = append(all, rows)
	}
	return all, nil
}

func estimate(ctx context.Context, c *pgx.Conn, table string) (int64, error) {
	var rows float64
	var unknown bool
	var name string
	err := c.QueryRow(ctx, `SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::float8, coalesce(bool_or(c.reltuples < 0), false),
		coalesce(pg_catalog.to_regclass($1)::text, '') FROM pg_catalog.pg_class c WHERE c.relkind = 'r' AND
		(c.oid = pg_catalog.to_regclass($1) OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)) WHERE isleaf))`,
		table).Scan(&rows, &unknown, &name)
	if err != nil || !unknown {
		return int64(rows), err
	}
	var counted int64 // name is quoted where it has to be: the server has written it
	err = c.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s LIMIT %d) rows", name, countedRows)).Scan(&counted)
	return max(int64(rows), counted), err
}
