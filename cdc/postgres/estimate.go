package postgres

import "context"

// Estimate gives the catalog's estimates of the rows of the tables, in the order of Collections, which has to
// have been called; -1 where the table was never analyzed.
func (s *Source) Estimate(context.Context) ([]int64, error) {
	tables := s.planned()
	rows := make([]int64, len(tables))
	for i, t := range tables {
		rows[i] = int64(t.rows)
	}
	return rows, nil
}
