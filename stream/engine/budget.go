package engine

import "github.com/freshet/freshet/stream"

// budget divides limits.memory among the parts of the engine, in bytes (I9).
type budget struct {
	store, inlets, calls, table, known, epoch, apply, txn, outbox int64
}

func budgetOf(memory int64) budget {
	return budget{store: memory / 4, inlets: memory / 32, calls: memory / 8, table: memory / 16, known: memory / 16,
		epoch: min(max(memory/64, 256<<10), 16<<20), apply: min(max(memory/64, 256<<10), 8<<20),
		txn: min(max(memory/16, 1<<20), 32<<20), outbox: max(memory/2, 16<<20)}
}

// StoreBytes is the part of a flow's memory that the state store may use.
func StoreBytes(l stream.Limits) int64 { return budgetOf(l.MemoryBytes).store }
