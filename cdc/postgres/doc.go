// Package postgres is the source of tables of a PostgreSQL database: their rows as they stand, then every
// change in the order of commits, by logical replication.
//
// It belongs here if it speaks with the server to find out what changed. What a row means is the business
// of steps.
//
// # Nouns
//
//   - [Source]: some tables of one database, over one publication and one slot. [Options] says which.
//   - place: what a position of this source says: how far in the log ([LSN]), on which server and timeline,
//     and of which tables the first rows are held.
//   - moment: a snapshot of the database that shows just what committed before a place in the log. Slots are
//     made with one; tables are read at one.
//   - binding: what the server says of a table, joined to the columns that the flow carries.
//   - [Inventory]: the tables of a schema as the catalog describes them, for who has not named any yet.
//   - feedback: tells the server what is durable, whatever the reader of the stream waits for.
//
// # How a run goes
//
// A session makes what is missing (the publication first, then the slot), makes sure that the slot continues
// what is held, streams up to the moment at which tables are to be read, reads these, and streams on. The first
// rows are read at the moment at which the slot was made. Tables that the flow gains later, and all of them
// for a rescan, are read at the moment of a temporary slot; until the stream has come to that moment, just deletes
// count for these tables. So rows never go back in time, and a run that is killed while it reads
// begins with the tables that are not complete.
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
// Run works in the goroutine that calls it, with one that tells the server how far it is, one that watches the slot,
// and while tables are read one for each connection that reads; all of them are gone when it returns.
package postgres
