// Package kafka measures the source and the sink of topics against loops over franz-go that know nothing of Freshet: the
// same topic polled and looked at by nobody, decoded into maps, into structs, and copied in transactions.
//
//	go test -run '^$' -bench Source -benchtime 3x ./benchmarks/kafka
//	go test -run '^$' -bench Copy -benchtime 3x ./benchmarks/kafka
//
// Each round reads the same records, ours and theirs in turn. Figures are records a second of wall time, and microseconds
// of this process's CPU a record; ratios are to the loop of the same round. On a machine that is shared, the CPU ratio is
// the stable one. Copies are compared at the transaction size that ours has had.
//
// Its test runs the whole program, built anew, over a real broker: a bank of records under kills of both.
//
// Of Freshet's packages it may import cdc, cdc/kafka, internal/broker, internal/machine, internal/testenv,
// sinks/kafka, statestore, stream and stream/engine.
package kafka
