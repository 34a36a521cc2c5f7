// Package qdrant keeps a collection of a Qdrant server in step with collections of a flow, over gRPC.
//
// It belongs here if it knows Qdrant's calls, or how a row is written as a point.
//
// Of Freshet's packages it may import cdc and stream.
//
// # Nouns
//
//   - [Sink]: the declared target; opened it is a writer.
//   - point: what a row is there. Its id is the UUID version 5 of collection and key, its payload _key, the columns,
//     _version, _source, and what Freshet keeps for itself under _freshet. Its vector has the name of its column.
//   - tombstone: the point of a row that was deleted, without a vector, so that no search finds it. It is there to
//     refuse writes that come late, and is removed after a while.
//   - record: the one point of a collection that says who writes it: flow, sink, state, generation, epoch, rows.
//   - physical collection and alias: points lie in collections named <collection>--<flow>-<sink>-<instance>; the name
//     that the flow gives is an alias, and so a new model switches from one to the other in one step.
//
// # Invariants
//
// Qdrant has no transactions, but takes writes on a condition: a point is replaced only if its version is not greater
// than that of the write (I3). So a write that comes twice or late, or from a process that was replaced, changes
// nothing, deletes included. A range writes rows, then tombstones, then the record: what was a row of an owner is there
// until the rows that replace it are, and a record never says more than is there.
//
// An opening raises the record's generation; every request of an older one finds it raised, and stops. A record that is
// gone, or says more rows than are there, means that somebody has wiped the collection: all is written again (I10).
//
// Collections and points that Freshet did not make are never changed, counted, listed or removed.
//
// # Concurrency
//
// Apply belongs to one goroutine. Run, searches, counts and lists may go on beside it, on the same connection.
package qdrant
