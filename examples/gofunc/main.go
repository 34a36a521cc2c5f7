// Command gofunc is the example of a flow in Go: a function of its own finds the decisions in a folder of minutes, and an
// operator of its own hides addresses before. It needs no flow file, and no binary but itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/freshet/freshet/accel/builtin"
	"github.com/freshet/freshet/cdc/files"
	"github.com/freshet/freshet/examples/internal/scene"
	"github.com/freshet/freshet/operators"
	"github.com/freshet/freshet/sinks/jsonl"
	"github.com/freshet/freshet/sinks/vector"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

func main() { scene.Play("gofunc", play) }

func play(ctx context.Context, s *scene.Scene) {
	p := program{minutes: s.Path("minutes"), work: s.Path("work"), out: os.Stdout}
	run := func(question string) {
		if s.Err() == nil {
			s.Check(p.run(ctx, question))
		}
	}

	s.Act("the first time: one file has a date that cannot be read")
	run("who pays for trips to customers?")

	s.Act("the date is mended")
	s.Edit("minutes/2026-05-board.md", "2026-31-05", "2026-05-06")
	run("where is the summer party?")

	s.Act("a decision is put before the others, which keep their place")
	s.Edit("minutes/2026-04-board.md", "# Board, April\n", "# Board, April\n\n- [decided] 2026-04-08 Omar: Plants are watered by whoever comes first.\n")
	run("who waters the plants?")

	s.Act("the minutes of March are gone")
	s.Check(os.Remove(s.Path("minutes/2026-03-board.md")))
	run("who pays for trips to customers?")

	s.Act("what the log adds up to")
	s.ShowRows("work/decisions.jsonl")
}

// program is the flow and where it finds and puts what.
type program struct {
	minutes string // the folder that is read
	work    string // the folder for state, index and log; it is made
	out     io.Writer
}

// flow declares minutes → clean → decisions → vectors → index, and decisions → log.
func (p program) flow() (*stream.Flow, error) {
	source, err := files.New(files.Options{Path: p.minutes, Include: []string{"*.md"}})
	if err != nil {
		return nil, err
	}
	log, err := jsonl.New(jsonl.Options{Path: filepath.Join(p.work, "decisions.jsonl")})
	if err != nil {
		return nil, err
	}
	words, err := builtin.New(256)
	if err != nil {
		return nil, err
	}
	model := operators.NewInline("builtin", words)

	f := stream.New("decisions")
	f.Limits = stream.Limits{MemoryBytes: 128 << 20, DiskFree: 16 << 20}
	minutes := stream.From[Minutes](f, "minutes", source)
	clean := stream.Apply[Minutes](minutes, "clean", redact{}, stream.StepOptions{})
	all := stream.FlatMap(clean, "decisions", stream.Version(1), decisions)
	vectors := operators.Embed(all, "vectors", stream.Version(1), model, func(d Decision) string { return d.What })
	stream.Into(vectors, "index", vector.NewSink(vector.SinkOptions{}), stream.SinkOptions{})
	stream.Into(all, "log", log, stream.SinkOptions{})
	return f, nil
}

// run catches up with the folder and answers a question.
func (p program) run(ctx context.Context, question string) (err error) {
	f, err := p.flow()
	if err != nil {
		return err
	}
	plan, err := f.Plan(ctx)
	if err != nil {
		return err
	}
	db, err := statestore.Open(filepath.Join(p.work, "state"), statestore.DBOptions{MemoryBytes: engine.StoreBytes(plan.Limits), DiskFreeBytes: plan.Limits.DiskFree})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	e, err := engine.Open(ctx, plan, db, engine.Options{Once: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := e.Run(ctx); err != nil {
		return err
	}
	done := e.Summary()
	fmt.Fprintf(p.out, "rows written: %d, texts embedded: %d\n", done.RowsApplied, done.Calls)
	letters, err := engine.DeadLetters(db)
	if err != nil {
		return err
	}
	for _, l := range letters {
		fmt.Fprintf(p.out, "rejected %s: %s\n", l.Key, l.Message)
	}
	return p.answer(ctx, e, question)
}

// answer prints the decisions nearest to a question.
func (p program) answer(ctx context.Context, e *engine.Engine, question string) error {
	index, err := e.Index("index")
	if err != nil {
		return err
	}
	asked, err := index.Embed(ctx, question)
	if err != nil {
		return err
	}
	hits, err := index.Search(ctx, stream.Query{Vector: asked, K: 2})
	if err != nil {
		return err
	}
	defer index.Close()
	rows, err := stream.NewDecoder[Decision](index.Sink, index.Inputs[0].Schema)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out, question)
	for _, h := range hits {
		var d Decision
		if err := rows.Decode(h.Row, &d); err != nil {
			return err
		}
		fmt.Fprintf(p.out, "  %s (%s, %s in %s)\n", d.What, d.Who, d.Day.Format("2 January"), d.Path)
	}
	return nil
}
