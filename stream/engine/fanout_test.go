package engine_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream/engine"
)

// A row of which a step would make more than the memory has for one row is a dead letter that says what to do, and what
// it had made before goes; others go on, and it comes back when it has become smaller (I6, I9).
func TestARowThatMakesTooMuchIsADeadLetter(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		m.start()
		w.put("k1", "p1|p2", 0)
		w.put("k2", "p1", 0)
		m.settle()
		wantLetters(t, m)

		w.put("k1", strings.Repeat("p|", 600_000), 0)
		w.put("k3", "p4", 0)
		m.settle()
		wantLetters(t, m, "cut/k1: too_large")
		letters, err := engine.DeadLetters(m.db)
		if err != nil || !strings.Contains(letters[0].Message, "columns") || !strings.Contains(letters[0].Message, "4.0 MiB") {
			t.Errorf("the dead letter says %+v, %v", letters, err)
		}
		if diff := cmp.Diff(map[string]string{"k2/p1-1": `{"id":"k2","piece":"p1","said":"P1"}`, "k3/p4-1": `{"id":"k3","piece":"p4","said":"P4"}`}, w.pieces.Rows()); diff != "" {
			t.Errorf("beside the dead letter (-want +got):\n%s", diff)
		}

		w.put("k1", "p3", 0)
		m.settle()
		wantLetters(t, m)
		w.verify("when it has become smaller")
		m.stop()
	})
}
