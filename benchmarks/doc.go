// Command benchmarks measures what the product promises and prints one table: unchanged rows, upserts
// with memo hits, the cost of one edit, calls over minimal calls, memory under a flood, the time of a
// restart, the embedded index, the built-in model, workers, and PostgreSQL and Kafka beside bare clients and Debezium.
//
//	CGO_ENABLED=0 go run ./benchmarks   everything, about a quarter of an hour, built as packages are; `make servers` installs the servers
//	go run ./benchmarks --only index    one of them
//	go run ./benchmarks --repeat 3      medians, and how far the runs lie apart
//	go run ./benchmarks --quick         ten times smaller, where no server is needed
//
// A figure is read together with what stands beside it: a limit of the machine or a rival that was measured in the same run.
// The table says on which machine; other work on it makes every rate a lower one.
//
// What belongs here is workloads, what they are held against, and the report. A workload drives the real
// engine over a real state on the real file system; only the two ends are made up: a source that makes
// rows from their numbers, a model that answers from memory, and a sink that drops what it gets.
//
// # Nouns
//
//   - workload: one benchmark; it yields figures.
//   - figure: a number with its unit, its target, and what was measured beside it in the same process.
//   - stopwatch: wall time and processor time of all threads of the process, compactions and garbage
//     collection included.
//   - flow: the flow under measure, with its source, its model and its sink.
//   - room: benchmarks that lie beside the tests of a package, whose servers they need.
//
// Rates are rows per second of processor time, for one core: they say what a row costs, also on a machine
// that others use. Each workload runs in a process of its own, so that the memory and the garbage of one
// are not the next one's.
package main
