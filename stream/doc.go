// Package stream is the contract between the engine and everything that plugs into it, and the typed
// Go API that declares flows.
//
// A [Flow] declares sources, steps and sinks by name. [Flow.Plan] binds every operator to the schema
// of its input and yields a checked [Plan]; the engine (package stream/engine) runs it. Flow files
// (package stream/flowfile) lower to the same Flow.
//
// # Nouns
//
//   - [Source]: yields changes of one or more collections.
//   - [Operator]: declared logic; bound to a schema it is a [Mapper] (cheap, deterministic, run where
//     it stands) or a [Caller] (expensive; its answers are remembered and never asked for twice).
//   - [Model]: answers the calls of Callers.
//   - [Sink], opened a [Writer]: applies effects under deterministic keys.
//   - [Plan]: nodes in topological order, each with a logic [Fingerprint].
//
// # Imports
//
// Of Freshet's packages it may import cdc alone. Contracts live here because the engine consumes them; sources
// satisfy [Source] without importing this package.
package stream
