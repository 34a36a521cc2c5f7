// Package streamtest holds what sinks, operators and the engine are tested with: the conformance suite
// of sinks, a sink in memory with scripted faults, a model that misbehaves as told, and small
// operators whose results are easy to compute by hand.
//
// It belongs here if it tests a contract of package stream without knowing who keeps it.
//
// Of Freshet's packages it may import cdc and stream.
//
// # Concurrency
//
// A Table and a Model are safe for concurrent use: a test changes their manners while a flow runs.
package streamtest
