// Package accel asks models. It declares what an embedding model is ([Embedder]), what may go wrong
// with one ([Error]), and it turns single calls into well-filled requests ([Batcher]).
//
// A call is one text that a model answers; a request is one exchange that may carry many calls. The
// clients of model servers and the built-in model live in the packages below this one. Nothing here
// knows flows, rows or stores: a call is named by a fingerprint that its caller made.
//
// # Invariants
//
//   - Every submitted call that is not withdrawn ends in exactly one [Result]: a vector, or the
//     model's rejection of that one text. An outage is never a result; its calls wait and are sent
//     again (I6: what is only delayed is not rejected).
//   - Equal fingerprints that wait or are in flight are one call (I7).
//   - A reply that is wrong in any part is wrong as a whole: nothing of it is kept.
//   - At most Concurrency requests are in flight, and none leaves before a Retry-After is over.
//   - Memory is what the caller submitted: the batcher makes no queue of its own (I9).
//
// # Concurrency
//
// [Batcher.Run] owns every goroutine and waits for all of them. One mutex guards the queues; neither
// the embedder nor Done is ever called under it. An [Embedder] is safe for concurrent use.
//
// # Errors
//
// Whatever keeps a model from answering is an [*Error], and its [Kind] says what to do about it.
package accel
