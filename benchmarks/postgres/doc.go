// Package postgres measures the source of PostgreSQL against what the server can give: the same log read by a
// client that counts messages and looks at none, and COPY into nothing.
//
//	go test -run '^$' -bench . -benchtime 3x ./benchmarks/postgres
//
// Each round reads a copy of one slot, so that the server decodes the same bytes every time. Figures are rows a
// second of wall time, and microseconds of this process's CPU a row; ratios are to the raw client of the same
// round. On a machine that is shared, the CPU ratio is the stable one.
package postgres
