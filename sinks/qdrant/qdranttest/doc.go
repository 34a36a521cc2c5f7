// Package qdranttest is a Qdrant server in the process, for tests: what the sink asks of one, over real gRPC, with the
// semantics of the real one where they matter.
//
// Points are written in chunks of 32, so that a request that fails has written some of them. Operations of a batch come
// one after another and stop at the first that fails. A write that does not wait is not seen until [Server.Settle], and
// without strong ordering comes out of order. A condition holds back the points that exist and do not meet it, and never
// those that are new. Aliases change all at once or not at all, and go with their collection. Numbers in ranges are
// compared as the server does: as float64.
//
// Conditions, points without vectors, chunks and ranges were compared with the server's own core (qdrant-edge 0.9).
//
// It belongs here if it plays the server. A [Server] is safe for concurrent use.
//
// It imports none of Freshet's packages.
package qdranttest
