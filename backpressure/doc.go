// Package backpressure decides when a costly call may be made, and how much of a source may be under way
// for it. It counts: rows, bytes, tokens, requests, dollars. What is counted, and who answers, it does not
// know.
//
// A [Governor] stands before one model at one endpoint. Whoever wants to send asks [Governor.Admit] (or
// waits in [Governor.Wait]), gets a [Permit] or the time to come back, and tells [Governor.Settle] what
// became of the request. The governor asks in turn its breaker, the gate that a Retry-After closes, its
// limiter of requests in flight, the budget of retries, the rates per minute, and the budget of money.
//
// [Credits] bound what waits. A [Pool] grants them to stages; a stage that has none left takes in nothing.
//
// It imports none of Freshet's packages.
//
// # Invariants
//
//   - Of a stage, granted is free, queued, in flight and retrying together, always (I9).
//   - A retry keeps its credits: there is no state in which a credit is counted twice or not at all.
//   - Nothing is admitted before a Retry-After is over, nor while the breaker is open.
//   - A request whose estimate does not fit into the day's budget is not admitted, and what is admitted is
//     durable before it is sent, where the ledger has a place to keep it.
//   - Every permit is settled once; one that is lost holds nothing up longer than its deadline.
//
// # Concurrency
//
// All types are safe for concurrent use. Nothing here starts a goroutine, and nothing waits but
// [Governor.Wait]. One mutex guards a governor; the breaker below it is only used under it. Time is that of
// package time, so that a test in a bubble of testing/synctest decides it.
package backpressure
