package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/freshet/freshet/cdc"
)

// countedRows is up to how many rows a table is counted that the server has no statistics of: a new one most often.
const countedRows = 20_000

// Estimates are the rows of the collections as the catalog estimates them, in their order. Of a partitioned table it is
// the sum over its partitions. A table that was never analysed is counted, up to 20,000 rows. Bytes are told
// by the length of some rows, written as text.
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
	var rows float64
	var unknown bool
	var name string // quoted where it has to be: the server has written it
	err = c.QueryRow(ctx, `SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::float8, coalesce(bool_or(c.reltuples < 0), false),
		coalesce(pg_catalog.to_regclass($1)::text, '') FROM pg_catalog.pg_class c WHERE c.relkind = 'r' AND
		(c.oid = pg_catalog.to_regclass($1) OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)) WHERE isleaf))`,
		o.Table).Scan(&rows, &unknown, &name)
	all.Rows = int64(rows)
	if err != nil {
		return all, err
	}
	if unknown {
		var counted int64
		err = c.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s LIMIT %d) counted", name, countedRows)).Scan(&counted)
		if err != nil {
			return all, err
		}
		all.Rows = max(all.Rows, counted)
	}
	columns := "*"
	if len(o.Columns) > 0 {
		columns = quotedAll(o.Columns)
	}
	var long float64
	err = c.QueryRow(ctx, fmt.Sprintf("SELECT coalesce(avg(octet_length(sampled::text)), 0)::float8 FROM (SELECT %s FROM %s LIMIT %d) sampled", columns, name, sampledRows)).Scan(&long)
	all.Bytes = int64(long * float64(all.Rows))
	return all, err
}

// quotedAll writes names as a list of columns.
func quotedAll(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = quoted(name)
	}
	return strings.Join(all, ", ")
}
