// Package postgres is the source of tables of a PostgreSQL database: their rows as they stand, then every
// change in the order of commits, by logical replication.
//
// It belongs here if it speaks with the server to find out what changed. What a row means is the business
// of steps.
//
// Of Freshet's packages it may import cdc, internal/idle and internal/pgdsn.
//
// # Nouns
//
//   - [Source]: some tables of one database, over one publication and one slot. [Options] says which.
//   - place: what a position of this source says: how far in the log ([LSN]), on which server and timeline,
//     and of which tables the first rows are held.
//   - layout: which columns the held rows of a table have, by their numbers in the catalog.
//   - fill: a table whose first rows are still to be read; chunk: some pages of it; spot: how far it is held.
//   - window: a snapshot that all readers of rows share, and a mark in the log by which it has its place in the stream.
//   - family: the partitions of a table, and their files.
//   - binding: what the server says of a table, joined to the columns that the flow carries.
//   - [Inventory]: the tables of a schema as the catalog describes them, for who has not named any yet.
//   - feedback: tells the server what is durable, whatever the reader of the stream waits for.
//
// # How a run goes
//
// A session makes what is missing (the publication first, then the slot), makes sure that the slot continues
// what is held, and streams. Next to the stream it reads the rows of the tables that are not held yet, in windows: it
// locks a table against being emptied or written anew, takes a snapshot, writes a message into the log, streams
// up to that message, and reads chunks of the table in the snapshot by several connections, while the stream waits.
// A transaction that the snapshot shows was streamed by then; of one that it does not show, the keys are
// noted, and left out of what is read. So nothing has to be kept until its turn comes, and rows never go back in
// time. How far a table is held is part of the position, so that a run that was killed goes on behind the chunks that
// are durable. The first load is one window where Snapshot does not say otherwise; every other is a second of rows,
// then of changes.
//
// Why windows, and not the snapshots that slots are made with: such a one waits for every transaction of the
// server and takes a slot each time, lasts just as long as one connection, and cannot be had again, so that a table would
// be read in one piece or from its beginning. A window costs a round trip, and any table can have one at any time. It
// has to make sure by itself of what making a slot does: transactions that were streamed and that nobody
// can see yet (they wait for a synchronous standby), and those that changed a table before it was published,
// have to end before the snapshot.
//
// On a standby nobody can write a message; there nothing can be seen that is not in the log already, and the end of the log
// that was replayed is the mark. On a primary the right to write messages is needed, and asked for beforehand.
//
// # Invariants
//
//   - The cursor of the flow is the truth, the slot a hint: what the server is told to forget is what was
//     confirmed (I1). A slot that is ahead of the cursor, or is gone, is a gap and never a fresh start (I10).
//   - A transaction of the database is a transaction of the source (I11). Its position is the end of its commit record.
//   - A value reads the same from a snapshot and from the stream, in text and in binary form.
//   - A value that the server did not send is unchanged, never null.
//   - Columns are found by what the stream says of a table, never by what the catalog says now.
//
// # Concurrency
//
// Run works in the goroutine that calls it, with one that tells the server how far it is, one that watches the slot and the
// tables, and while a window is read one for each connection that reads; all of them are gone when it returns.
package postgres
