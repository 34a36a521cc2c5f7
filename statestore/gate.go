package statestore

import (
	"sync"
	"sync/atomic"
)

// gate lets Close wait for the operations that have begun, without a lock that an operation inside
// another one (a read in the function of a scan) could deadlock on.
type gate struct {
	n       atomic.Int64 // operations inside, plus closing once the gate is shut
	once    sync.Once
	drained chan struct{} // closed when the gate is shut and nobody is inside
}

const closing = 1 << 62

func newGate() *gate { return &gate{drained: make(chan struct{})} }

// enter reports whether an operation may begin; whoever gets true must leave.
func (g *gate) enter() bool {
	if g.n.Add(1) < closing {
		return true
	}
	g.leave()
	return false
}

func (g *gate) leave() {
	if g.n.Add(-1) == closing {
		g.once.Do(func() { close(g.drained) })
	}
}

// shut keeps every later operation out and reports whether this call was the one that did it.
func (g *gate) shut() bool {
	for {
		n := g.n.Load()
		if n >= closing {
			return false
		}
		if g.n.CompareAndSwap(n, n+closing) {
			if n == 0 {
				g.once.Do(func() { close(g.drained) })
			}
			return true
		}
	}
}

// reopen undoes shut unless the operations have drained, and reports whether it did.
func (g *gate) reopen() bool {
	for {
		n := g.n.Load()
		if n == closing {
			return false
		}
		if g.n.CompareAndSwap(n, n-closing) {
			return true
		}
	}
}
