package engine_test

import (
	"fmt"
	"testing"

	"github.com/freshet/freshet/stream/streamtest"
)

// Incremental and from nothing end the same, whatever way the history is cut into runs (I3, I6), and
// nothing is paid twice (I7).
func TestRandomHistoriesEqualTheOracle(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			w.model.Reorder()
			for range 6 {
				w.random(1 + w.rng.IntN(40))
				w.run(0, 100)
				w.verify("after a run")
			}
			w.paidAtMost(1)
			writes, idle := w.pieces.Writes()
			if idle > 0 {
				t.Errorf("%d of %d effects changed nothing", idle, writes)
			}
		})
	}
}

// A process killed at any durable step, with any part of what it had not synced, comes back to the
// oracle (I1, I2, I3, I6), and pays at most what was in flight once more (I7).
func TestKilledAtEveryStep(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			w.model.Reorder()
			kills := 0
			for i := range 12 {
				w.random(1 + w.rng.IntN(12))
				if w.rng.IntN(3) == 0 {
					w.pieces.Script(streamtest.Fault(1 + w.rng.IntN(3)))
				}
				if w.run(1+w.rng.IntN(25), []int{0, 50, 100}[i%3]) {
					kills++
				} else {
					w.verify("after a run that was not killed")
				}
			}
			w.run(0, 100)
			w.verify("in the end")
			w.paidAtMost(1 + kills)
			t.Log(kills, "kills at", w.seen)
		})
	}
}

// A change of logic touches just what differs, also when it is taken back half-way (scenario 7), and a
// step keeps its state under a new name (scenario 17). What the old logic has made goes by the record of it (I5).
func TestLogicChanges(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			w.random(60)
			w.run(0, 100)
			w.verify("before the change")
			kills := 0
			for range 6 {
				switch w.rng.IntN(4) {
				case 0:
					w.logic.without = []string{"", "1", "p2"}[w.rng.IntN(3)]
				case 1:
					w.logic.columns = [][]string{{"id", "piece", "said"}, {"piece", "said"}, {"said", "id"}, {"id", "other"}}[w.rng.IntN(4)]
				case 2:
					w.logic.was, w.logic.name = w.logic.name, w.logic.name+"x"
				case 3:
					w.random(5)
				}
				if w.rng.IntN(2) == 0 && w.run(1+w.rng.IntN(12), 50) {
					kills++
					continue
				}
				w.run(0, 100)
				w.verify(fmt.Sprintf("with %+v", w.logic))
			}
			w.run(0, 100)
			w.verify("in the end")
			if _, idle := w.pieces.Writes(); idle > 0 && kills == 0 {
				t.Errorf("%d effects changed nothing", idle)
			}
		})
	}
}
