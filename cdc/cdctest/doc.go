// Package cdctest holds what every source is measured with: the conformance suite [TestSource], an
// [Inlet] that records what a source puts and decides what of it is durable, and a [Script], a source
// in memory for tests of whoever runs sources.
//
// It belongs here if it tests the contract between a source and its runner without knowing either.
//
// Of Freshet's packages it may import cdc and internal/idle.
//
// # Nouns
//
//   - [Harness]: a real source and hands that change the world it reads.
//   - [Check]: one promise of the contract, as a function that returns what is broken.
//   - [Inlet], [Ledger]: the runner's side. Durability is withheld and given by the test, so that a crash
//     at any point is a call of [Inlet.Crash].
//   - [Script]: a log of transactions that a test writes while the source runs.
//
// # Concurrency
//
// An Inlet, a Ledger and a Script are safe for concurrent use.
package cdctest
