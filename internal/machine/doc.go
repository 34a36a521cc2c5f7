// Package machine says on what was measured and what the process has used of it, and keeps the process within it.
//
// It belongs here if a measurement needs to say it beside its figures, or holds for a process that runs flows, the program and
// the command benchmarks alike.
//
// All of it may be called from several goroutines, and holds no state of its own.
//
// It imports none of Freshet's packages.
package machine
