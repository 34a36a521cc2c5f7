// Package kafka is the source of a keyed topic: the newest record of a key is its row, a null value is the
// row's end.
//
// It belongs here if it finds out what stands in a topic and what a record says. How a cluster is reached is
// the business of internal/broker.
//
// Of Freshet's packages it may import cdc, internal/broker and internal/idle.
//
// # Nouns
//
//   - [Source]: a topic, or all topics whose names match, as one collection; [Options] says how to read them.
//   - cursor: for each partition the offset of the first record that is not taken; with the topic's id it is
//     the position that the engine keeps. place: where one record lies.
//   - format: what a record says (JSON, Debezium, text, CloudEvents), read straight into a row.
//   - session: one client's time. A partition that a client has given up is read by the next one.
//   - survey: what stands in the topics now; the gap between that and the cursor is what has been lost.
//
// # Invariants
//
//   - The state's offsets count (I1). A consumer group mirrors them, is never read, and may be deleted.
//   - Nothing is jumped over (I10): a topic that was made again, ends before the cursor, or has lost records
//     behind it, stops the run with [cdc.ErrGap], or with [cdc.ErrReread] where the flow says so. What is gone
//     before the cursor was taken and is no loss; offsets that compaction has left empty are none.
//   - Records of one key in one partition come in their order (I4). A transaction of ours is what was fetched,
//     cut where it is large: a consumer cannot see a producer's transactions, only that they are committed.
//   - A record that cannot be read is a reject under its key, with its bytes (I6); it hinders no other.
//
// # Concurrency
//
// Run belongs to one goroutine and starts none but the client's, which are gone when it returns. Confirm may
// run beside it. While Put waits nothing is polled, and the client holds no more than one answer of each
// broker (I9).
package kafka
