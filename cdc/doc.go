// Package cdc holds the words every room shares: a [Change] of a typed [Row] under a memcomparable
// [Key] at a [Position] of a source's log, and the [Batch] in which changes travel.
//
// It belongs here if a source, the engine and a sink all have to agree on it, and if it can be said
// without input or output. It imports none of Freshet's packages.
// The standard library is all that it needs.
//
// # Nouns
//
//   - [Type], [Column], [Schema]: what a row may hold; they map one to one to Arrow (see arrowrow).
//   - [Row]: one compact byte slice with an offset table. Fields are decoded on access; equality and
//     hashing are on the bytes, so every value has exactly one encoding.
//   - [Key]: the bytes of the key columns, ordered as the values are, each column self-delimiting.
//   - [Batch]: one arena and an offset table; whole source transactions, no pointer per row.
//   - [Position]: an opaque place in a source's log, ordered by its bytes.
//
// # Invariants
//
// Two values of one type are equal exactly when their encodings are. A field has four states:
// value, null, unchanged (the source did not send it) and reference (its value is stored elsewhere
// under a fingerprint). Null is never confused with unchanged.
//
// # Concurrency
//
// Rows, keys and schemas are immutable once built and safe to share. Builders and batches belong to
// one goroutine at a time.
package cdc
