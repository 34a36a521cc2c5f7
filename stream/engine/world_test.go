package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
	"github.com/freshet/freshet/stream/streamtest"
)

// world is everything around an engine that outlives it: a source, models, targets, a disk.
type world struct {
	t      testing.TB
	rng    *rand.Rand
	source *cdctest.Script
	model  *streamtest.Model
	pieces *streamtest.Table // rows behind the expensive step
	plain  *streamtest.Table // rows of the source
	fs     *vfs.MemFS
	rows   map[string]row
	logic  logic
	seen   map[string]int // crash points met
	hold   time.Duration  // max_hold of the expensive step
	outbox int64          // OutboxBytes of the engine
	memory int64          // limits.memory of the flow
}

type row struct {
	body  string
	other int64
}

// logic is what may change from one run to the next.
type logic struct {
	without string
	columns []string
	was     string
	name    string
}

func newWorld(t testing.TB, seed uint64) *world {
	return &world{t: t, rng: rand.New(rand.NewPCG(seed, 2)), source: cdctest.NewScript(cdc.Collection{Schema: streamtest.Schema()}),
		model: streamtest.NewModel("m", seed), pieces: streamtest.NewTable(), plain: streamtest.NewTable(), fs: vfs.NewCrashableMem(),
		rows: map[string]row{}, logic: logic{columns: []string{"id", "piece", "said"}, name: "said"}, seen: map[string]int{}, memory: 64 << 20}
}

func (w *world) put(id, body string, other int64) {
	w.rows[id] = row{body, other}
	w.source.Commit(w.source.Set(fmt.Sprintf(`{"id":%q,"body":%q,"other":%d}`, id, body, other)))
}

func (w *world) remove(id string) {
	delete(w.rows, id)
	w.source.Commit(cdc.Change{Op: cdc.Delete, Key: cdc.StringKey(id)})
}

// random makes n changes of few keys with few pieces, so that keys, pieces and texts meet.
func (w *world) random(n int) {
	for range n {
		id := fmt.Sprintf("k%d", w.rng.IntN(12))
		if w.rng.IntN(5) == 0 {
			w.remove(id)
			continue
		}
		var pieces []string
		for range w.rng.IntN(4) {
			pieces = append(pieces, fmt.Sprintf("p%d", w.rng.IntN(20)))
		}
		w.put(id, strings.Join(pieces, "|"), int64(w.rng.IntN(3)))
	}
}

// flow declares source → cut → ask → pieces, and source → plain.
func (w *world) flow(dead func() bool) *stream.Flow {
	f := stream.New("world")
	f.Limits.MemoryBytes = w.memory
	f.AddSource("rows", w.source)
	f.AddStep("cut", "rows", streamtest.Cut{Without: w.logic.without}, stream.StepOptions{})
	f.AddStep(w.logic.name, "cut", streamtest.Ask{Model: w.model, Column: "piece", Ref: true}, stream.StepOptions{Was: w.logic.was, MaxHold: w.hold})
	f.AddSink("pieces", []string{w.logic.name}, w.pieces.Sink().Until(dead), stream.SinkOptions{Columns: w.logic.columns})
	f.AddSink("plain", []string{"rows"}, w.plain.Sink().Until(dead), stream.SinkOptions{Columns: []string{"id", "body"}})
	return f
}

// run runs the flow once, as a process would. It is killed when it comes to the nth durable step; 0: it
// lives to its end. What is not synced survives to the given percentage.
func (w *world) run(killAt, percent int) (killed bool) {
	w.t.Helper()
	var dead atomic.Bool
	var steps atomic.Int64
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var survives *vfs.MemFS
	crash := func(point string) {
		if n := steps.Add(1); int(n) == killAt {
			dead.Store(true) // before the disk: nothing reaches a target that the disk does not know of
			survives = w.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(uint64(killAt), 3))})
			w.seen[point]++
			cancel()
		}
	}
	plan, err := w.flow(dead.Load).Plan(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	db, err := statestore.Open("state", statestore.DBOptions{FS: w.fs, MemoryBytes: 8 << 20, DiskFreeBytes: 1})
	if err != nil {
		w.t.Fatal(err)
	}
	e, err := engine.Open(ctx, plan, db, engine.Options{Once: true, Crash: crash, DrainTimeout: time.Millisecond, OutboxBytes: w.outbox})
	if err != nil {
		w.t.Fatal(err)
	}
	err = e.Run(ctx)
	if dead.Load() {
		_ = e.Close()
		_ = db.Close()
		w.fs = survives
		return true
	}
	if err != nil {
		w.t.Fatalf("run: %v", err)
	}
	if ctx.Err() != nil {
		w.t.Fatalf("the run does not end: %+v", e.Status())
	}
	if err := e.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		w.t.Fatal(err)
	}
	return false
}

// want recomputes from the source's rows what the targets must hold: the oracle.
func (w *world) want() (pieces, plain map[string]string) {
	pieces, plain = map[string]string{}, map[string]string{}
	for id, r := range w.rows {
		plain[id] = fmt.Sprintf(`{"id":%q,"body":%q}`, id, r.body)
		seen := map[string]int{}
		for _, p := range strings.Split(r.body, "|") {
			if p == "" || w.logic.without != "" && strings.Contains(p, w.logic.without) {
				continue
			}
			seen[p]++
			values := map[string]string{"id": id, "piece": p, "said": strings.ToUpper(p)}
			var fields []string
			for _, c := range w.logic.columns {
				v, ok := values[c]
				if !ok {
					fields = append(fields, fmt.Sprintf("%q:%d", c, r.other))
					continue
				}
				fields = append(fields, fmt.Sprintf("%q:%q", c, v))
			}
			pieces[fmt.Sprintf("%s/%s-%d", id, p, seen[p])] = "{" + strings.Join(fields, ",") + "}"
		}
	}
	return pieces, plain
}

// verify holds the targets against the oracle, in both directions.
func (w *world) verify(when string) {
	w.t.Helper()
	pieces, plain := w.want()
	if diff := cmp.Diff(pieces, w.pieces.Rows()); diff != "" {
		w.t.Fatalf("%s: pieces differ from the oracle (-want +got):\n%s", when, diff)
	}
	if diff := cmp.Diff(plain, w.plain.Rows()); diff != "" {
		w.t.Fatalf("%s: plain rows differ from the oracle (-want +got):\n%s", when, diff)
	}
	for _, table := range []*streamtest.Table{w.pieces, w.plain} {
		if wrong := table.Wrong(); len(wrong) > 0 {
			w.t.Fatalf("%s: %s", when, strings.Join(wrong, "; "))
		}
	}
}

// paidAtMost asserts that no input was paid more often than crashes explain.
func (w *world) paidAtMost(times int) {
	w.t.Helper()
	var much []string
	for input, n := range w.model.Paid() {
		if n > times {
			much = append(much, fmt.Sprintf("%s: %d", input, n))
		}
	}
	if slices.Sort(much); len(much) > 0 {
		w.t.Fatalf("paid more than %d times: %s", times, strings.Join(much, ", "))
	}
}
