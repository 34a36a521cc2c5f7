package engine

import (
	"slices"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
)

// budget divides limits.memory among the parts of the engine, in bytes (I9).
type budget struct {
	store, inlets, calls, table, known, epoch, apply, txn, outbox int64

	sinks int64 // what all sinks together may hold, in equal shares

	made   int64 // what the owners of an epoch may bring: rows of targets and records
	fanout int64 // what a step may make of one owner
}

func budgetOf(memory int64) budget {
	return budget{store: memory / 4, inlets: memory / 32, calls: memory / 8, table: memory / 16, known: memory / 16,
		epoch: min(max(memory/64, 256<<10), 16<<20), apply: min(max(memory/64, 256<<10), 8<<20),
		txn: min(max(memory/16, 1<<20), 32<<20), outbox: max(memory/2, 16<<20), sinks: memory / 4,
		made: max(memory/32, 1<<20), fanout: max(memory/16, 1<<20)}
}

// StoreBytes is the part of a flow's memory that the state store may use.
func StoreBytes(l stream.Limits) int64 { return budgetOf(l.MemoryBytes).store }

// HeapBytes is the part of a flow's memory for Go's heap: all of it, but where the store has its part outside.
func HeapBytes(l stream.Limits) int64 {
	if statestore.OutsideHeap {
		return l.MemoryBytes - StoreBytes(l)
	}
	return l.MemoryBytes
}

// roomLeast is what an epoch takes in at least, in bytes.
const roomLeast = 64 << 10

// pace sets what the next epoch takes in: as much as brings what the memory has for an epoch, if its rows are like those
// of this one. It grows slowly, since the first rows say nothing of those behind them (I9).
func (e *Engine) pace(g *gathered) {
	room := min(2*e.room, e.budget.epoch)
	if g.bytes > 0 && int64(g.made) > e.budget.made/4 {
		room = min(room, int64(float64(g.bytes)*float64(e.budget.made)/float64(g.made)))
	}
	e.room = max(room, min(roomLeast, e.budget.epoch))
	e.large = int64(g.made) > e.budget.made
}

// crowded reports whether a target takes what is large while epochs are so as well: the next one waits until it has it,
// or does not take it now. I9: a row may have many children, and then two epochs of one row each do not fit.
func (e *Engine) crowded() bool {
	return e.large && slices.ContainsFunc(e.graph.targets, func(t *target) bool { return t.delivery.takes() > e.budget.made })
}
