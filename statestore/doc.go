// Package statestore keeps what a flow must not lose: one careful layer over the embedded
// key-value store Pebble. It speaks bytes; what keys and values mean is the caller's business.
//
// Of Freshet's packages it may import internal/realpath alone.
//
// # Nouns
//
//   - [Store]: one database directory with reads, scans, batches and synced commits. A flow's
//     state, its memo and every embedded index are each a Store.
//   - [DB]: the state of one flow: a VERSION file, the Store "state", the Store "memo", the
//     spills, and the epoch gate [DB.ApplyEpoch].
//   - [Key]: vnode, space, instance, owner, child. Its encoding orders as the tuple does, and
//     everything up to the end of the owner is what bloom filters cover.
//   - [Memo]: results by [Fingerprint], durable before any state refers to them, removed by a
//     mark and sweep that leaves a grace time.
//   - [Spill]: a synced file of checksummed records for a delta too large for one batch.
//
// # Invariants
//
//   - A commit with sync is on disk when it returns without error; a failed fsync ends the
//     process (I1, I2). Without sync a commit is lost by kill -9: only what can be computed again
//     may go that way.
//   - Nothing may leave the process for an epoch above [DB.DurableEpoch] (I2).
//   - Damage is an error that names the file, never an absence (I10). A clean Close writes a seal
//     over the files it leaves, so that a later difference is damage and not a torn tail; after a
//     crash the logs are checked for damage that a torn tail cannot explain. Once damage has been
//     seen, every read and write of that Store returns it.
//   - Memory is a budget given at open (I9): block cache and memtables together.
//
// # Concurrency
//
// A Store, a DB and a Memo may be used by many goroutines. A [Batch] and a [SpillWriter] belong to
// one goroutine. Nothing here starts a goroutine of its own; Pebble's flushes and compactions end
// with Close.
//
// # Errors
//
// [CorruptError], [InUseError], [VersionError] and [StalledError] say what is wrong, where, and
// carry a Hint for the user. Everything else is the file system's error, wrapped once.
package statestore
