// Package rest is what the clients of model servers have in common: it sends one JSON request over HTTP
// and makes of whatever comes back a body to be read, or an [accel.Error].
//
// It knows statuses, complaints, waits and rate limits in the forms that servers give them; what is asked,
// and what a correct answer looks like, is the client's. It repeats nothing: retries, rates and bisection
// are the business of [accel.Batcher] and its governor.
//
// Of Freshet's packages it may import accel and backpressure.
//
// # Invariants
//
//   - What a server sends is bounded before it is read.
//   - A key goes to the configured host and nowhere else: not to another host by a redirect, not into an
//     error, a log or a dump (see [Secret]).
//
// # Concurrency
//
// A [Model] is safe for concurrent use. It starts no goroutines but those of its idle connections, which
// [Model.Close] ends.
package rest
