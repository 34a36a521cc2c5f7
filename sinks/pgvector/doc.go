// Package pgvector keeps tables of a PostgreSQL server in step with collections: with a vector that the extension
// vector indexes ([New]), or without one ([NewTable]).
//
// It belongs here if it knows SQL, the extension, or how a value of package cdc is written on PostgreSQL's wire.
//
// Of Freshet's packages it may import cdc, internal/pgdsn and stream.
//
// # Nouns
//
//   - [Sink]: the declared target; opened it is a writer, with one session that writes and a few that read.
//   - table: the place of one collection. Its columns are those of the collection, then _version and _source.
//   - record: the row of freshet_progress, in the same schema, that says what the tables of a sink hold: generation,
//     epoch, source position, number of rows, and how the tables were made.
//   - range: what one Apply writes, in one transaction with the record.
//
// # Invariants
//
// Rows and record change in one transaction that has locked the record first (I3, I8). So a range is there whole or
// not at all, no reader sees half of it, and of two writers the one of the older generation finds the record changed
// before it has written anything. What the record's epoch covers is not written again: neither a range that comes
// twice nor one that comes late can bring back a row that was deleted since, and no tombstones are needed. The version
// of a row is compared besides, for rows that a repair has written outside of a range.
//
// A row whose _version is null is not Freshet's: it is never changed, deleted, counted or listed. A table that
// Freshet did not make is used only if it has the columns _version and _source.
//
// A record that says more than the tables hold means that they were emptied, replaced or altered by somebody else:
// the opening says so and everything is written again (I10).
//
// # Concurrency
//
// Apply belongs to one goroutine. Searches, counts and lists use sessions of their own and may run beside it.
package pgvector
