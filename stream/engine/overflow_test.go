package engine_test

import (
	"fmt"
	"testing"

	"github.com/freshet/freshet/stream/streamtest"
)

// A sink that is down for long beside a healthy one: its outbox stays bounded, its states are skipped,
// and what it holds in the end is the oracle, kills included (I3, I6, I9; scenario 9).
func TestScenario_09_SinkFarBehind(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			w.outbox = 300
			w.source.Split(3)
			for i := range 5 {
				w.random(80)
				for range 3 {
					w.pieces.Script(streamtest.Refusing)
				}
				if i%2 == 1 && w.run(5+w.rng.IntN(40), 50) {
					continue
				}
				w.run(0, 100)
				w.verify("after a run")
			}
			w.run(0, 100)
			w.verify("in the end")
		})
	}
}
