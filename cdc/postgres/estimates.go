package postgres

import (
	"context"
	"fmt"
)

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
