package cdctest_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/cdc/cdctest"
)

// bent is a source with one fault.
type bent struct {
	*cdctest.Script
	start func(*cdc.Start)
	end   func(context.Context) // what happens between the end of the run and its return
	put   func(ctx context.Context, b *cdc.Batch, put func(context.Context, *cdc.Batch) error) error
	mute  bool // never says CaughtUp
	more  int  // numbers of rows beyond those of the collections
}

// Estimates says of no collection how many rows it has.
func (b *bent) Estimates(ctx context.Context) ([]cdc.Estimate, error) {
	collections, err := b.Collections(ctx)
	return slices.Repeat([]cdc.Estimate{{Rows: -1, Bytes: -1}}, len(collections)+b.more), err
}

func (b *bent) Run(ctx context.Context, start cdc.Start, out cdc.Inlet) error {
	if b.start != nil {
		b.start(&start)
	}
	err := b.Script.Run(ctx, start, &bentInlet{Inlet: out, source: b})
	if b.end != nil {
		b.end(ctx)
	}
	return err
}

type bentInlet struct {
	cdc.Inlet
	source *bent
}

func (i *bentInlet) Put(ctx context.Context, b *cdc.Batch) error {
	if i.source.put != nil {
		return i.source.put(ctx, b, i.Inlet.Put)
	}
	return i.Inlet.Put(ctx, b)
}

func (i *bentInlet) CaughtUp(ctx context.Context) error {
	if i.source.mute {
		return nil
	}
	return i.Inlet.CaughtUp(ctx)
}

// without copies a batch without the changes that drop names.
func without(b *cdc.Batch, drop func(cdc.Change) bool) *cdc.Batch {
	next := new(cdc.Batch)
	at := 0
	for _, t := range b.Txns() {
		for ; at < t.End; at++ {
			if c := b.At(at); !drop(c) {
				next.Add(c)
			}
		}
		next.Commit(t.Position, t.Time)
	}
	return next
}

type putFunc = func(ctx context.Context, b *cdc.Batch, put func(context.Context, *cdc.Batch) error) error

func filtered(drop func(cdc.Change) bool) putFunc {
	return func(ctx context.Context, b *cdc.Batch, put func(context.Context, *cdc.Batch) error) error {
		return put(ctx, without(b, drop))
	}
}

// Each fault is found by the check that is about it; otherwise the suite would prove nothing.
func TestChecksFindFaults(t *testing.T) {
	var late sync.Mutex // held by a run that a check has given up
	t.Cleanup(func() {
		late.Lock()
		defer late.Unlock()
	})
	for name, c := range map[string]struct {
		bent  bent
		found string
	}{
		"a row of the snapshot is left out": {
			bent:  bent{put: filtered(func(c cdc.Change) bool { return c.Snapshot && c.Key.Text() == "k2" })},
			found: "once puts every row, says caught up and ends"},
		"deletes are left out": {
			bent:  bent{put: filtered(func(c cdc.Change) bool { return c.Op == cdc.Delete })},
			found: "what changed while it was down is put after a restart"},
		"the position to resume at is ignored": {
			bent:  bent{start: func(s *cdc.Start) { s.Resume = "" }},
			found: "nothing changed is nothing put after a restart"},
		"the position to resume at is overshot": {
			bent: bent{start: func(s *cdc.Start) {
				if s.Resume != "" {
					s.Resume = cdctest.ScriptPosition(int(s.Resume[7]) + 1)
				}
			}},
			found: "a crash loses nothing and repeats only what was not durable"},
		"the columns are ignored": {
			bent:  bent{start: func(s *cdc.Start) { s.Columns = nil }},
			found: "rows have the columns that are asked for"},
		"once is ignored": {
			bent:  bent{start: func(s *cdc.Start) { s.Once = false }},
			found: "an empty source is caught up and exhausted at once"},
		"a rescan is ignored": {
			bent:  bent{start: func(s *cdc.Start) { s.Rescan = false }},
			found: "a rescan puts every row as a snapshot change"},
		"caught up is never said": {
			bent:  bent{mute: true},
			found: "an empty source is caught up and exhausted at once"},
		"rows of more collections are estimated than there are": {
			bent:  bent{more: 1},
			found: "once puts every row, says caught up and ends"},
		"a batch is used after it was put": {
			bent: bent{put: func(ctx context.Context, b *cdc.Batch, put func(context.Context, *cdc.Batch) error) error {
				defer b.Add(cdc.Change{Op: cdc.Delete, Key: cdc.StringKey("late")})
				return put(ctx, b)
			}},
			found: "once puts every row, says caught up and ends"},
		"positions fall": {
			bent: bent{put: func(ctx context.Context, b *cdc.Batch, put func(context.Context, *cdc.Batch) error) error {
				b.Commit(cdctest.ScriptPosition(0), 0)
				return put(ctx, b)
			}},
			found: "live changes of a key come in order and end with the last"},
		"old values come again": {
			bent: bent{put: func(ctx context.Context, b *cdc.Batch, put func(context.Context, *cdc.Batch) error) error {
				if c := b.At(0); c.After != nil && c.After.At(1).Text() == "30" {
					var row cdc.RowBuilder
					row.Text("k1")
					row.Text("11")
					c.After = row.Build()
					again := new(cdc.Batch)
					again.Add(b.At(0))
					again.Add(c)
					again.Commit(b.Txns()[0].Position, 0)
					b = again
				}
				return put(ctx, b)
			}},
			found: "live changes of a key come in order and end with the last"},
		"a change that cannot be put is dropped": {
			bent: bent{put: func(ctx context.Context, b *cdc.Batch, put func(context.Context, *cdc.Batch) error) error {
				hurried, cancel := context.WithCancel(ctx)
				cancel()
				_ = put(hurried, b)
				return ctx.Err()
			}},
			found: "while Put waits nothing is lost"},
		"the end of the context is ignored": {
			bent: bent{end: func(ctx context.Context) {
				if ctx.Err() != nil {
					late.Lock()
					defer late.Unlock()
					<-time.After(3500 * time.Millisecond)
				}
			}},
			found: "a context that ends while Put waits ends the run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, check := range cdctest.Checks() {
				if check.Name != c.found {
					continue
				}
				ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
				defer cancel()
				world := newShelf()
				world.bend = func(cdctest.Source) cdctest.Source {
					one := c.bent
					one.Script = world.script
					return &one
				}
				err := check.Run(ctx, world)
				if err == nil {
					t.Fatalf("%q finds nothing", c.found)
				}
				t.Log(err)
				return
			}
			t.Fatalf("no check is called %q", c.found)
		})
	}
}
