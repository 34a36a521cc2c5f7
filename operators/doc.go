// Package operators holds the steps that a flow may have: filter, map, split, embed, extract, rerank, transcribe and call.
//
// An operator is a config that was checked once (NewFilter, NewMap, NewSplit, NewEmbed and their like) and is
// bound to the schema of its input, more than once while a flow is planned. What it is bound to is a
// stream.Mapper, or a stream.Caller where a model has to be asked. [Remote], [Generative], [Scorer],
// [Listener], [Worker] and [Inline] make a model of package accel one that the engine can ask. All but the last remember,
// across processes, what was used and spent, and who answered under a model's name.
//
// Of Freshet's packages it may import accel, backpressure, cdc, operators/split, stream and stream/expr.
//
// # Invariants
//
//   - A bound operator yields its key columns and the columns that somebody reads, nothing else.
//   - What it depends on besides its input is in its Logic: kind, version, configuration in a form in
//     which spelling does not matter, and the types of the columns read.
//   - The key of a chunk depends on its owner and its text, never on its place: inserting a paragraph
//     moves no other chunk's key.
//   - A call's fingerprint covers the model and the text sent, not the expression that made the text
//     nor the step that asked (I7).
//
// # Concurrency
//
// Operators and what they are bound to are immutable and safe for concurrent use. Nothing here starts
// a goroutine except Run of a model behind a server or worker, which waits for it.
//
// # Errors
//
// Faults of a configuration are *stream.Problem whose Field is the key of the config; an error of
// Map or Input rejects that row.
package operators
