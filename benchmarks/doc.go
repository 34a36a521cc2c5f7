// Command benchmarks measures what the product promises and prints one table: unchanged rows, upserts
// with memo hits, the cost of one edit, calls over minimal calls, memory under a flood, the time of a
// restart, the embedded index, and the built-in model.
//
//	go run ./benchmarks                 everything, some minutes
//	go run ./benchmarks --quick         ten times smaller
//	go run ./benchmarks --only index    one of them
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
//
// Rates are rows per second of processor time, for one core: they say what a row costs, also on a machine
// that others use. Each workload runs in a process of its own, so that the memory and the garbage of one
// are not the next one's.
package main
