package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/streamtest"
)

// drawSketch draws a flow of up to eight steps and four sinks over some sources.
func drawSketch(t *rapid.T, sources, models int) *sketch {
	s := &sketch{}
	for i := range rapid.IntRange(0, 8).Draw(t, "steps") {
		from := rapid.IntRange(0, sources+i-1).Draw(t, "from")
		columns := s.columnsOf(sources, from)
		step := stepSketch{from: from, kind: rapid.SampledFrom([]string{"ask", "keep", "cut"}).Draw(t, "kind")}
		if step.kind == "cut" && !slices.Contains(columns, "body") {
			step.kind = "ask"
		}
		switch step.kind {
		case "cut":
			step.arg = rapid.SampledFrom([]string{"", "1", "p2"}).Draw(t, "without")
		case "keep":
			step.arg = rapid.SampledFrom([]string{"0", "1", "2"}).Draw(t, "not")
		case "ask":
			var texts []string
			for _, c := range columns {
				if c != "other" {
					texts = append(texts, c)
				}
			}
			step.arg = rapid.SampledFrom(texts).Draw(t, "column")
			step.model = rapid.IntRange(0, models-1).Draw(t, "model")
			step.ref = rapid.Bool().Draw(t, "by reference")
			step.hidden = fmt.Sprintf("said%d", i)
		}
		s.steps = append(s.steps, step)
	}
	for range rapid.IntRange(1, 4).Draw(t, "sinks") {
		s.sinks = append(s.sinks, drawSink(t, s, sources))
	}
	return s
}

func drawSink(t *rapid.T, s *sketch, sources int) sinkSketch {
	last := sources + len(s.steps) - 1
	k := sinkSketch{from: []int{rapid.IntRange(0, last).Draw(t, "from")}}
	columns := s.columnsOf(sources, k.from[0])
	switch rapid.IntRange(0, 3).Draw(t, "shape") {
	case 0:
		k.columns = columns[:rapid.IntRange(1, len(columns)).Draw(t, "columns")]
	case 1:
		k.key = rapid.SampledFrom(columns).Draw(t, "key")
	case 2:
		if second := rapid.IntRange(0, last).Draw(t, "and from"); second != k.from[0] {
			k.from = append(k.from, second)
		}
	}
	return k
}

// lot is everything that a drawn flow runs in.
type lot struct {
	sources []*cdctest.Script
	rows    []map[string]row
	models  []*streamtest.Model
	tables  []*streamtest.Table
	sketch  *sketch
	memory  int64
	machine *machine
	history []string // what led here, to be read where a failure depends on the moment of a crash
}

func newLot(t testing.TB, sources int) *lot {
	l := &lot{models: []*streamtest.Model{streamtest.NewModel("m0", 1), streamtest.NewModel("m1", 2)}}
	for range sources {
		l.sources = append(l.sources, newSource())
		l.rows = append(l.rows, map[string]row{})
	}
	for range 4 {
		l.tables = append(l.tables, streamtest.NewTable())
	}
	for _, m := range l.models {
		m.Reorder()
	}
	l.machine = &machine{t: t, fs: vfs.NewCrashableMem(), flow: l.flow, dir: "state"}
	return l
}

func (l *lot) flow(dead func() bool) *stream.Flow {
	f := stream.New("drawn")
	f.Limits.MemoryBytes = l.memory
	for i, s := range l.sources {
		f.AddSource(fmt.Sprintf("source%d", i), s)
	}
	if err := l.sketch.declare(f, len(l.sources), l.models); err != nil {
		l.machine.t.Fatal(err)
	}
	for i, k := range l.sketch.sinks {
		var from []string
		for _, c := range k.from {
			from = append(from, l.sketch.name(len(l.sources), c))
		}
		o := stream.SinkOptions{Columns: k.columns}
		if k.key != "" {
			o.Key = []string{k.key}
		}
		f.AddSink(fmt.Sprintf("sink%d", i), from, l.tables[i].Sink().Until(dead), o)
	}
	return f
}

// change draws transactions of a source.
func (l *lot) change(t *rapid.T) {
	for range rapid.IntRange(0, 8).Draw(t, "transactions") {
		source := rapid.IntRange(0, len(l.sources)-1).Draw(t, "source")
		var changes []cdc.Change
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			if rapid.IntRange(0, 15).Draw(t, "truncate") == 1 {
				clear(l.rows[source])
				changes = append(changes, cdc.Change{Op: cdc.Truncate})
				continue
			}
			id := fmt.Sprintf("k%d", rapid.IntRange(0, 7).Draw(t, "id"))
			if rapid.IntRange(0, 4).Draw(t, "delete") == 0 {
				delete(l.rows[source], id)
				changes = append(changes, cdc.Change{Op: cdc.Delete, Key: cdc.StringKey(id)})
				continue
			}
			var pieces []string
			for range rapid.IntRange(0, 3).Draw(t, "pieces") {
				pieces = append(pieces, fmt.Sprintf("p%d", rapid.IntRange(0, 9).Draw(t, "piece")))
			}
			r := row{body: strings.Join(pieces, "|"), other: int64(rapid.IntRange(0, 2).Draw(t, "other"))}
			l.rows[source][id] = r
			changes = append(changes, l.sources[source].Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":%d}`, id, r.body, r.other)))
		}
		l.sources[source].Commit(changes...)
	}
}

// run runs the flow once, to its end or to a drawn crash, and compares.
func (l *lot) run(t *rapid.T, mayDie bool) {
	for i, s := range l.sources {
		s.Split(rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "batch"))
		if rapid.IntRange(0, 5).Draw(t, "fault") == 0 {
			l.tables[i].Script(streamtest.Fault(rapid.IntRange(int(streamtest.LostAck), int(streamtest.Refusing)).Draw(t, "what")))
		}
	}
	l.memory = rapid.SampledFrom([]int64{8 << 20, 64 << 20}).Draw(t, "memory")
	l.machine.crash = nil
	if mayDie && rapid.Bool().Draw(t, "dies") {
		l.machine.dieAt("", rapid.IntRange(1, 30).Draw(t, "at step"), rapid.SampledFrom([]int{0, 50, 100}).Draw(t, "survives"))
	}
	err := l.machine.once()
	l.history = append(l.history, fmt.Sprintf("run of %+v, dead %t at %q, rows %v, tables %v", *l.sketch, l.machine.dead.Load(), l.machine.diedAt.Load(), l.rows, l.shown()))
	if l.machine.dead.Load() {
		return
	}
	if err != nil {
		t.Fatalf("the run ends with %v", err)
	}
	for i := range l.sketch.sinks {
		if wrong := l.sketch.difference(l.rows, i, l.tables[i]); wrong != "" {
			t.Fatalf("sink%d of %+v differs from the oracle:\n%s\nafter\n%s", i, *l.sketch, wrong, strings.Join(l.history, "\n"))
		}
	}
}

// shown is what the tables of the sketch's sinks hold.
func (l *lot) shown() []map[string]string {
	var all []map[string]string
	for i := range l.sketch.sinks {
		all = append(all, l.tables[i].Rows())
	}
	return all
}

// Any flow over any history, cut into any batches, under any budget, through crashes, lost acks and changes
// of everything in the flow, ends as the oracle computes it from nothing (I2, I3, I5, I6).
func TestRandomFlowsEqualTheOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sources := rapid.IntRange(1, 2).Draw(rt, "sources")
		l := newLot(t, sources)
		l.sketch = drawSketch(rt, sources, len(l.models))
		for range rapid.IntRange(1, 5).Draw(rt, "rounds") {
			l.change(rt)
			l.run(rt, true)
			if rapid.IntRange(0, 2).Draw(rt, "other logic") == 0 {
				l.sketch = drawSketch(rt, sources, len(l.models))
			}
		}
		l.run(rt, false)
	})
}

// The same history ends the same whether it comes as one transaction or one by one, and pays the same (I7).
func TestAnySplitEndsTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := newLot(t, 1)
		l.sketch = drawSketch(rt, 1, len(l.models))
		for range 3 {
			l.change(rt)
		}
		l.run(rt, false)
		all := newLot(t, 1)
		all.sketch, all.rows = l.sketch, l.rows
		var changes []cdc.Change
		for id, r := range l.rows[0] {
			changes = append(changes, all.sources[0].Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":%d}`, id, r.body, r.other)))
		}
		all.sources[0].Commit(changes...)
		all.run(rt, false)
		for i, m := range all.models {
			for input, n := range m.Paid() {
				if n != 1 || l.models[i].Paid()[input] != 1 {
					rt.Fatalf("model %d was paid %d times for %q at once, %d times one by one", i, n, input, l.models[i].Paid()[input])
				}
			}
		}
	})
}
