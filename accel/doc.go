// Package accel asks models. It declares what an embedding model is ([Embedder]), what a model of texts is
// ([Generator]), what may go wrong with one ([Error]), and it turns single calls into well-filled requests
// ([Batcher]), each of which its governor (package backpressure) has to admit.
//
// A call is one text or prompt that a model answers; a request is one exchange that may carry many calls.
// The clients of model servers and the built-in model live in the packages below this one. Nothing here
// knows flows, rows or stores: a call is named by a fingerprint that its caller made.
//
// Of Freshet's packages it may import backpressure alone.
//
// # Invariants
//
//   - Every submitted call that is not withdrawn ends in exactly one [Result]: an answer, or a rejection of
//     that one call. An outage is never a result; its calls wait and are sent again (I6: what is only
//     delayed is not rejected). Nor is a rejection by a model that rejects everything.
//   - Equal fingerprints that wait or are in flight are one call (I7).
//   - A reply that is wrong in any part is wrong as a whole: nothing of it is kept.
//   - No request leaves but by a permit of the governor, and each permit is settled.
//   - Live calls go before the others, which keep an eighth; stages share a model's tokens evenly.
//   - Memory is what the caller submitted: the batcher makes no queue of its own, and says of every call on
//     which credits it lies (I9).
//
// # Concurrency
//
// [Batcher.Run] owns every goroutine and waits for all of them. One mutex guards the queues; it is taken
// before the governor's. Neither the model nor Done is ever called under it. An [Answerer] is safe for
// concurrent use.
//
// # Errors
//
// Whatever keeps a model from answering is an [*Error], and its [Kind] says what to do about it.
package accel
