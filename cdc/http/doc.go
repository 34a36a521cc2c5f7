// Package http is the source of changes that are pushed to it: JSON over HTTP, answered once they are durable.
//
//	POST / HTTP/1.1
//	Authorization: Bearer …
//	Content-Type: application/json
//
//	[{"id": 7, "title": "new"}, {"_op": "delete", "id": 8}]
//
// It belongs here if it takes a request, or says what one holds.
//
// Of Freshet's packages it may import cdc and internal/idle.
//
// # Nouns
//
//   - [Source]: a listener and the one collection that is pushed to it; [Options] says which.
//   - push: what one request holds, in order: one transaction (I11), under one number.
//   - position: the number of a push, and the newest sequence of each producer.
//   - producer: a client that numbers its pushes, so that one which it sends again is known.
//   - room: the bytes of pushes that were taken up and not yet handed over.
//
// # Invariants
//
//   - A push is answered 202 only after Confirm has named its number (I1). Whoever hears nothing, or 5xx, pushes again:
//     rows are replaced by key, so that once more changes nothing.
//   - A push is taken whole or not at all: what cannot be read is refused at the door, with the element and the reason,
//     and is never a dead letter.
//   - Pushes of one producer are taken in the order of their sequence, each once. Sequences are part of the position, and
//     so become durable with the rows (I2).
//   - Bodies, connections and waiting requests are bounded (I9): where there is no room the answer is 429.
//   - What it has taken it has no more: rows are kept by whoever runs the source, and it cannot be read again.
//
// # Concurrency
//
// Requests are read side by side; Run alone numbers and hands over. Confirm and Report may be called at any time.
package http
