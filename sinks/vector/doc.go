// Package vector is the embedded vector index: rows with a vector, found by likeness as soon as their transaction is
// applied. It is built for data that changes: an update costs what an insert costs, and no amount of churn lowers
// recall, because there is no graph to decay. It takes keys and payloads as bytes and knows nothing of flows.
//
// Of Freshet's packages it may import cdc, sinks/vector/kernel, statestore and stream.
//
// # Nouns
//
//   - [Index]: a directory with one index, opened by one process.
//   - [Txn]: what becomes durable and visible together, under a generation and an epoch.
//   - [View]: a fixed state that several searches share.
//   - codes: a vector in 12 bits a dimension, rotated and scaled; float vectors are not kept.
//   - slot and block: a place for the codes of a row in memory, and 64 of them.
//   - list and partition: rows near one centroid, and all lists of one set of centroids. A small index is one flat
//     list.
//   - truth: the Pebble store with codes, payloads and progress, from which memory can always be rebuilt; the codes
//     snapshot is a file that makes that fast.
//
// # Invariants
//
//   - I2: rows and progress of a transaction go to disk in one synced batch. Readers see them while they are on their
//     way there: who applies a transaction holds it durably, and applies it again after a crash.
//   - I3: versions of a key only grow, deletions included (tombstones), and a transaction at or below the last
//     applied changes nothing; a generation below the fence is refused.
//   - I8: a view shows whole transactions. A row is born at one publication and dies at another; a view is the number
//     of a publication, and its slots are not used again while it is open.
//   - I9: the memory of rows is bounded by Options.MemoryBytes and shown by [Index.Stats].
//   - I10: damage of the truth is an error that names the file, never a missing row.
//   - Filters are exact: every hit matches, and as many are found as there are, up to K.
//
// # Concurrency
//
// Searches do not wait for writes and writes do not wait for searches; writes take turns. Nothing runs by itself:
// the owner calls [Index.Run], which ends with its context. Apply, maintenance and a search
// that is alone use several cores and wait for them before they return.
//
// # Errors
//
// [RowErrors] (with [RowError], [DimsError]), [FencedError], [MemoryError], [ConfigError] and [ErrClosed] are what
// callers tell apart; a statestore.CorruptError means damaged files.
package vector
