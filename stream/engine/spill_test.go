package engine_test

import (
	"fmt"
	"testing"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream/streamtest"
)

// TestScenario_01 has one transaction larger than any epoch, a truncation, and a small change right
// behind each, with kills between the slices: no target ever holds a part of the transaction (I2, I9,
// I11), and the end is the oracle.
func TestScenario_01_TransactionLargerThanMemory(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			w.memory = 16 << 20 // a transaction may take 1 MB of it
			w.source.Split(97)
			const n = 1500
			body := func(v, i int) string { return fmt.Sprintf("v%d-%d-%0900d|p%d", v, i, i, i%7) }
			for v := range 2 {
				var changes []cdc.Change
				for i := range n {
					id := fmt.Sprintf("k%05d", i)
					w.rows[id] = row{body(v, i), int64(v)}
					changes = append(changes, w.source.Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":%d}`, id, body(v, i), v)))
				}
				w.source.Commit(changes...)
				w.put("k00003", "small|change", int64(v))
				w.plain.Watch(func(rows map[string]streamtest.Row) {
					if len(rows) != 0 && len(rows) != n {
						t.Errorf("a reader sees %d rows of a transaction of %d", len(rows), n)
					}
				})
				for w.run(2+w.rng.IntN(30), 50) {
				}
				w.verify(fmt.Sprintf("after version %d", v))
			}
			w.source.Commit(cdc.Change{Op: cdc.Truncate})
			clear(w.rows)
			w.put("k00001", "back", 1)
			w.plain.Watch(nil)
			for w.run(2+w.rng.IntN(20), 50) {
			}
			w.verify("after the truncation")
		})
	}
}
