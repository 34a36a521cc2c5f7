// Package flight asks workers: programs of any language that answer batches of rows or texts in Arrow. A worker
// is a child process that is talked with over its standard input and output, or a server that is reached over
// Arrow Flight; both are sent the same batches and answer the same way.
//
// It belongs here if it says how a batch travels to a worker and back. What a step makes of rows does not, nor
// when a request may leave: that is what package accel decides.
//
// Of Freshet's packages it may import accel, accel/rpc, backpressure, cdc and cdc/arrowrow.
//
// # Nouns
//
//   - [Client]: a worker, wherever it runs. It starts its child or dials its servers when it is first asked.
//   - [Function]: a function of rows that the worker serves, as an accel.Answerer.
//   - [Embedder]: a model of vectors that the worker serves, as an accel.Answerer.
//   - [Description]: what a worker says of itself.
//
// # Protocol
//
// A request is a batch with a column _row (int64, the place of the row) and the columns of the input, beside
// metadata in JSON: {"seq", "function", "output"}, where output is the Arrow schema that is wanted, as an IPC
// message in hexadecimal. The worker answers with {"seq", "begun": true} when it begins, {"seq", "at": i} when
// it comes to row i (over pipes), and batches of _row, _status (0 good, 1 invalid, 2 too long, 3 out of memory,
// 4 again), _error and the columns of the output, in any order and in as many parts as it likes; the last part
// has "done": true, with the "revision" of the function. A request that cannot be answered ends with
// {"seq", "done": true, "error": {"kind", "message"}}.
//
// Over pipes each message is a frame: FRW1, the lengths of metadata (uint32) and body (uint64), both little
// endian, then the two; a body is an Arrow IPC stream with one batch. The worker begins with its description.
// Over Flight a message is one of DoExchange, with the descriptor PATH ["v1", kind, function]; the description
// is the result of the action "describe".
//
// # Invariants
//
//   - An answer belongs to the row whose place it names. A place that was not given, or that is answered twice,
//     makes the whole reply malformed, as does a vector of another length or with a number that is not finite.
//   - A worker is sent no more requests at once than it has said that it takes (its credits).
//   - A child process ends with the process that started it, however that ends.
//
// # Concurrency
//
// Everything is safe for concurrent use. No goroutine is started: whoever waits for a reply reads it.
//
// # Errors
//
// They are *accel.Error: Broke when a child dies or is silent for too long while it is at a row; Unavailable
// when it cannot be started, or a server not be reached; Changed when a function answers with another revision
// than it was described with.
package flight
