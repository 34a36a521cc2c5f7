// Package machine says on what was measured, and what the process has used of it.
//
// It belongs here if a measurement needs to say it beside its figures, the verb bench and the command benchmarks alike.
//
// All of it may be called from several goroutines, and holds no state.
//
// It imports none of Freshet's packages.
package machine
