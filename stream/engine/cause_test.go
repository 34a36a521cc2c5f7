package engine_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/stream"
)

// whys returns why each row that was made of a source row was computed last.
func whys(t *testing.T, m *machine, subject string) map[string]string {
	t.Helper()
	found, err := m.engine.Lineage(subject)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, n := range found.Downstream {
		all[n.Name+"/"+n.Key] = n.Why
	}
	return all
}

// Of every row it is known why it was computed last: also of those that an answer completed, that another change left
// as they were, and that stand for a change of logic.
func TestARowSaysWhyItWasComputed(t *testing.T) {
	scene(t, func(t *testing.T, w *world, m *machine) {
		m.start()
		expect := func(want map[string]string) {
			t.Helper()
			m.settle()
			if diff := cmp.Diff(want, whys(t, m, "rows/k")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		const isNew = "its source row was new"
		w.put("k", "p1|p2", 0)
		expect(map[string]string{"cut/k/p1-1": isNew, "cut/k/p2-1": isNew, "said/k/p1-1": isNew, "said/k/p2-1": isNew,
			"pieces/k/p1-1": isNew, "pieces/k/p2-1": isNew, "plain/k": isNew})
		// A search shows the key of a sink's row without the sink.
		for _, key := range []string{"pieces/k/p2-1", "k/p2-1"} {
			if found, err := m.engine.Lineage(key); err != nil || found.Subject.Name != "pieces" || found.Subject.Key != "k/p2-1" {
				t.Errorf("%s is known as %+v: %v", key, found, err)
			}
		}
		if found, err := m.engine.Lineage("k/p9-1"); err == nil {
			t.Errorf("a row that there is not has the lineage %+v", found)
		}

		const body = "changed in its source row: body"
		w.put("k", "p1|p3", 0)
		expect(map[string]string{"cut/k/p1-1": isNew, "cut/k/p3-1": body, "said/k/p1-1": isNew, "said/k/p3-1": body,
			"pieces/k/p1-1": isNew, "pieces/k/p3-1": body, "plain/k": body})

		w.put("k", "p1|p3", 1) // nothing is made of that column
		expect(map[string]string{"cut/k/p1-1": isNew, "cut/k/p3-1": body, "said/k/p1-1": isNew, "said/k/p3-1": body,
			"pieces/k/p1-1": isNew, "pieces/k/p3-1": body, "plain/k": body})
		m.stop()

		const columns = "changed in the flow: pieces"
		w.logic.columns = []string{"piece", "said", "other"}
		m.start()
		expect(map[string]string{"cut/k/p1-1": isNew, "cut/k/p3-1": body, "said/k/p1-1": isNew, "said/k/p3-1": body,
			"pieces/k/p1-1": columns, "pieces/k/p3-1": columns, "plain/k": body})
		m.stop()

		w.logic.without = "p3" // the rest stays as it is
		m.start()
		expect(map[string]string{"cut/k/p1-1": isNew, "said/k/p1-1": isNew, "pieces/k/p1-1": columns, "plain/k": body})
		w.put("k", "p1|p4", 1)
		both := "changed in its source row: body"
		expect(map[string]string{"cut/k/p1-1": isNew, "cut/k/p4-1": both, "said/k/p1-1": isNew, "said/k/p4-1": both,
			"pieces/k/p1-1": columns, "pieces/k/p4-1": both, "plain/k": both})
		m.stop()
	})
}

// A row that was tried again at a person's word says so.
func TestARowThatWasTriedAgainSaysSo(t *testing.T) {
	playAsking(t, stream.StepOptions{}, func(d *direct, m *machine) {
		m.start()
		d.model.Poison("bad")
		commitRow(d.source, "a", "bad", 0)
		m.settle()
		d.model.Poison("")
		if _, err := m.engine.RetryDeadLetters(context.Background(), ""); err != nil {
			t.Fatal(err)
		}
		m.settle()
		all := slices.Collect(maps.Values(whys(t, m, "rows/a")))
		if want := []string{"another try was asked for", "another try was asked for"}; !slices.Equal(all, want) {
			t.Errorf("the rows were computed because %q, want %q", all, want)
		}
		m.stop()
	})
}
