// Command freshet runs flows: it keeps derived data, above all vector indexes, in step with its sources.
//
// What belongs here is the surface: verbs, flags, exit codes, the control file by which verbs find a
// running flow, and the registry of what a flow file may name. What a flow does when it runs belongs to
// stream/engine, what is served over HTTP to stream/api.
//
// # Nouns
//
//   - cli: where a verb speaks. With --json it writes one envelope, the events that the verb
//     documents before it, and nothing else.
//   - fault: an error as users see it: a stable code, a message, a hint and an exit code. One table
//     (faultOf) makes faults of errors.
//   - flow: a flow file that was read, with its plan and the place of its state.
//   - session: an opened state with its engine. peer: the process that has the flow running.
//
// # Concurrency
//
// A verb is one goroutine; run and demo wait for the engine and the server in one errgroup.
package main
