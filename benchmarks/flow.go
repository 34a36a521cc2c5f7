package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/freshet/freshet/accel"
	"github.com/freshet/freshet/internal/idle"
	"github.com/freshet/freshet/internal/machine"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// flow is the flow under measure: docs, split into chunks, embedded, into a sink that drops them.
type flow struct {
	source *source
	model  *memory
	sink   *null
	dir    string         // of the state, which outlives a run
	memory int64          // limits.memory; 0: the default
	plain  bool           // no steps: docs go straight to the sink
	db     *statestore.DB // while it runs

	device  accel.Embedder // instead of model, for whole bodies; asked as options say
	options operators.ModelOptions
}

func newFlow(s scale, dims int) *flow {
	return &flow{source: &source{prose: newProse()}, model: newMemory(dims), sink: newNull(), dir: filepath.Join(s.dir, "state")}
}

func (f *flow) declare() (*stream.Flow, error) {
	d := stream.New("bench")
	d.Limits.MemoryBytes = f.memory
	if d.Limits.MemoryBytes == 0 {
		d.Limits.MemoryBytes = stream.DefaultMemoryBytes
	}
	d.AddSource("docs", f.source)
	if f.plain {
		d.AddSink("null", []string{"docs"}, f.sink, stream.SinkOptions{})
		return d, nil
	}
	split, err := operators.NewSplit(operators.SplitConfig{Text: "row.body"})
	if err != nil {
		return nil, err
	}
	if f.device != nil {
		return d, f.declareDevice(d)
	}
	model := operators.NewRemote("instant", f.model, operators.ModelOptions{BatcherOptions: accel.BatcherOptions{Rows: 256}})
	embed, err := operators.NewEmbed(operators.EmbedConfig{Model: "instant", Text: `row.chunk`}, model)
	if err != nil {
		return nil, err
	}
	d.AddStep("chunks", "docs", split, stream.StepOptions{})
	d.AddStep("vectors", "chunks", embed, stream.StepOptions{})
	d.AddSink("null", []string{"vectors"}, f.sink, stream.SinkOptions{})
	return d, nil
}

// declareDevice adds the vectors of whole bodies.
func (f *flow) declareDevice(d *stream.Flow) error {
	embed, err := operators.NewEmbed(operators.EmbedConfig{Text: "row.body"}, operators.NewRemote("device", f.device, f.options))
	if err != nil {
		return err
	}
	d.AddStep("vectors", "docs", embed, stream.StepOptions{})
	d.AddSink("null", []string{"vectors"}, f.sink, stream.SinkOptions{})
	return nil
}

// run opens the state, runs the flow until its script has ended and everything is applied, and closes
// the state.
func (f *flow) run(ctx context.Context, script func(ctx context.Context, feed *feed) error) (err error) {
	f.source.script = script
	d, err := f.declare()
	if err != nil {
		return err
	}
	plan, err := d.Plan(ctx)
	if err != nil {
		return err
	}
	machine.KeepWithin(engine.HeapBytes(plan.Limits)) // as the program does
	db, err := statestore.Open(f.dir, statestore.DBOptions{MemoryBytes: engine.StoreBytes(plan.Limits)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	f.db = db
	e, err := engine.Open(ctx, plan, db, engine.Options{Once: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := e.Run(ctx); err != nil {
		return fmt.Errorf("run flow: %w", err)
	}
	return nil
}

// settle waits until no compaction is under way: those that one stretch has caused are not booked on the next.
func (f *flow) settle(ctx context.Context) error {
	const looks = 5 // one may end just before the next begins
	for still := 0; still < looks; still++ {
		if f.db.State.Stats().Compactions+f.db.Memo.Stats().Compactions > 0 {
			still = 0
		}
		if err := idle.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
