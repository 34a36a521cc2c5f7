// Package postgres measures the source of PostgreSQL against what the server can give: the same log read by a
// client that counts messages and looks at none, and COPY into nothing. Beside it, Debezium's embedded engine over the same log,
// and the time from a commit to its being found in a sink.
//
//	go test -run '^$' -bench 'Stream|Snapshot' -benchtime 3x ./benchmarks/postgres
//	go test -run '^$' -bench Freshness -benchtime 1x ./benchmarks/postgres
//	go test -run '^$' -bench Debezium -benchtime 1x ./benchmarks/postgres
//
// Each round reads a copy of one slot, so that the server decodes the same bytes every time. Figures are rows a
// second of wall time, and microseconds of this process's CPU a row; ratios are to the raw client, which is read in turns
// with ours, the best round of each. On a machine that is shared, the CPU ratio is the stable one.
//
// Its tests run the whole program, built anew, over real servers: a bank and a random history under kills, and one giant transaction.
//
// Of Freshet's packages it may import cdc, cdc/postgres, internal/idle, internal/machine and internal/testenv.
package postgres
