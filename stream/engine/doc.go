// Package engine runs a plan: micro-epochs over a keyed graph, with one synced commit each.
//
// It is the only room where sources, steps, the state store and sinks meet. What belongs here is what
// happens between a change that a source puts and the ack of a sink; what a source, an operator or a
// sink does inside is theirs. DESIGN.md beside this file follows a change, a pending call, a crash and
// a change of logic through the code.
//
// Of Freshet's packages it may import backpressure, cdc, statestore and stream.
//
// # Nouns
//
//   - owner: the key of a source row; everything derived from the row is kept in its record.
//   - record: row, calls wanted and emitted per expensive step, rows held per sink, rejects.
//   - task: an owner that is to be evaluated; evaluator: evaluates it, changing nothing but its output.
//   - epoch: the tasks gathered together and committed by one synced batch.
//   - scheduler: which owners wait for which calls. delivery: the outbox of one sink.
//   - feeder: walks stored owners in slices, behind live work.
//
// # Concurrency
//
// One goroutine, the loop, owns all that is not locked. Sources put into inlets, models put into the
// answer queue, people put into the request queue, deliveries take durable epochs; each of these has a
// mutex of its own, and none is held while another is taken.
package engine
