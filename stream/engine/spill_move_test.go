package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// moved is a row that changes its key; its body is not sent.
func moved(from, to string, other int64) []cdc.Change {
	var b cdc.RowBuilder
	b.Text(to)
	b.Unchanged()
	b.Int64(other)
	return []cdc.Change{{Op: cdc.Insert, Key: cdc.StringKey(to), From: cdc.StringKey(from), After: b.Build()}, {Op: cdc.Delete, Key: cdc.StringKey(from)}}
}

// In a transaction that is spilled the two moves of a row may lie in one slice or in several, with the process killed between
// them: what was not sent is still that of the row which stood there at the moment of the move (I2, I11).
func TestScenario_01_RowsThatMoveInATransactionLargerThanMemory(t *testing.T) {
	const fillers = 240                         // of 5 kB: more than a transaction may take of the memory, in several slices
	for killAt := 0; killAt < 12; killAt += 3 { // 0: it lives
		t.Run(fmt.Sprint(killAt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, plain := newDirect(), streamtest.NewTable()
				m := newMachine(t, func(dead func() bool) *stream.Flow {
					f := d.asking(dead)
					f.Limits.MemoryBytes = 16 << 20
					f.AddSink("plain", []string{"rows"}, plain.Sink().Until(dead), stream.SinkOptions{})
					return f
				})
				set := func(id, body string, other int) []cdc.Change {
					return []cdc.Change{d.source.Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":%d}`, id, body, other))}
				}
				for _, id := range []string{"a", "b", "c", "d", "e"} {
					commitRow(d.source, id, "first of "+id, 1)
				}
				m.start()
				m.stop() // from here on the state alone knows

				want := map[string]string{}
				var fill [3][]cdc.Change
				for i := range fillers {
					id, body := fmt.Sprintf("k%03d", i), fmt.Sprintf("%d %05000d", i, i)
					fill[i*3/fillers] = append(fill[i*3/fillers], set(id, body, 0)...)
					want[id] = fmt.Sprintf(`{"id":%q,"body":%q,"other":0`, id, body)
				}
				d.source.Commit(slices.Concat(
					moved("a", "a2", 2), moved("b", "b2", 2), moved("b2", "b3", 3), set("c", "second of c", 2), moved("e", "e2", 2),
					fill[0],
					moved("c", "c2", 3), set("c", "another row", 9), moved("d", "d2", 2), set("e2", "second of e", 3),
					fill[1],
					moved("a2", "a3", 3), moved("c2", "c3", 4), moved("d2", "d", 3), moved("e2", "e3", 4),
					fill[2],
					moved("k000", "z", 7))...)
				want["z"] = strings.Replace(strings.Replace(want["k000"], `"k000"`, `"z"`, 1), `"other":0`, `"other":7`, 1)
				delete(want, "k000")
				for id, row := range map[string]string{"a3": `first of a","other":3`, "b3": `first of b","other":3`, "c": `another row","other":9`, "c3": `second of c","other":4`,
					"d": `first of d","other":3`, "e3": `second of e","other":4`} {
					want[id] = fmt.Sprintf(`{"id":%q,"body":"%s`, id, row)
				}
				spilled, epochs := 0, 0
				m.crash = func(at string) {
					switch at {
					case "spill.closed":
						spilled++
					case "commit.after":
						if epochs++; epochs == killAt {
							m.die(50)
						}
					}
				}
				err := m.once()
				if died := m.dead.Load(); died {
					err = m.once()
				} else if killAt > 0 && epochs >= killAt {
					t.Fatal("the process was not killed")
				}
				if err != nil {
					t.Fatal(err)
				}
				if spilled == 0 || epochs < 8 {
					t.Errorf("the transaction was spilled %d times and evaluated in %d epochs: it proves nothing", spilled, epochs)
				}
				said := map[string]string{}
				for id, row := range want {
					body := strings.Split(row, `"`)[7]
					said[id] = row + fmt.Sprintf(`,"said":%q}`, strings.ToUpper(body))
					want[id] = row + "}"
				}
				sameRows(t, plain, want)
				sameRows(t, d.table, said)
				for _, id := range []string{"a", "b", "d", "e"} { // others may have been with the model when the process was killed
					if n := d.model.Paid()["first of "+id]; n != 1 {
						t.Errorf("the text of %s, which moved, was paid %d times", id, n)
					}
				}
			})
		})
	}
}
