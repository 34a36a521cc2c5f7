package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/freshet/freshet/cdc"
	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// checkup is what doctor has looked at.
type checkup struct {
	Checks []check `json:"checks"`
}

// check is one part of a flow that was found good.
type check struct {
	Part   string `json:"part"` // source, model, sink, disk or state
	Name   string `json:"name,omitempty"`
	Result string `json:"result"`
}

func (c *cli) doctorVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor FLOW",
		Short: "Reach every server of a flow and check what it needs there, and change nothing",
		Long: `Doctor checks what a run checks before it begins: it reaches every source, model and
sink, and looks at rights, settings, tables, dimensions and the space on the disk. A
model of vectors is asked for one. Where a stopped flow stands is held against what its
sources still have, such as a replication slot. The first thing that is amiss ends it
with the command or the setting that mends it, and exit code 3, 10 where the next run
would miss changes, or 20 for the disk.`,
		Args: takes("flow file"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		found, err := c.checkFlow(cmd.Context(), args[0])
		if err != nil {
			return result{}, c.behind(found, err)
		}
		return result{data: found, text: found.show}, nil
	})
	return cmd
}

func (k *checkup) show(w io.Writer) {
	for _, x := range k.Checks {
		fmt.Fprintf(w, "ok  %-7s %-16s %s\n", x.Part, x.Name, x.Result)
	}
}

// behind is a fault that tells what was found good before it.
func (c *cli) behind(found *checkup, err error) error {
	if found == nil || len(found.Checks) == 0 {
		return err
	}
	told := *faultOf(err)
	if told.Data == nil {
		told.Data = found
	}
	if !c.json {
		found.show(c.out)
	}
	return &told
}

// checkFlow does what a run does before it begins. Opening the flow reaches its models and sources. What was found good comes
// with the fault as well.
func (c *cli) checkFlow(ctx context.Context, path string) (*checkup, error) {
	f, err := c.open(ctx, path)
	if err != nil {
		return nil, err
	}
	found := &checkup{}
	for _, n := range f.plan.Sources {
		collections := 0
		for _, x := range f.plan.Collections {
			if x.Source >= 0 && f.plan.Sources[x.Source] == n {
				collections++
			}
		}
		if p, ok := n.Source.(stream.Prober); ok {
			var said string
			if err := c.meanwhile(ctx, "source "+n.Name, func() (err error) {
				said, err = p.Probe(ctx)
				return err
			}); err != nil {
				return found, f.safe(fmt.Errorf("look at source %s: %w", n.Name, err))
			}
			found.add("source", n.Name, "%s", said)
			continue
		}
		found.add("source", n.Name, "reached; collections: %d", collections)
	}
	for _, name := range slices.Sorted(maps.Keys(f.file.Models)) {
		var said string
		if err := c.meanwhile(ctx, "model "+name, func() (err error) {
			said, err = f.reach(ctx, name)
			return err
		}); err != nil {
			return found, err
		}
		found.add("model", name, "%s", said)
	}
	for _, n := range f.plan.Sinks {
		if err := c.meanwhile(ctx, "sink "+n.Name, func() error { return checkSink(ctx, f, n) }); err != nil {
			return found, f.safe(fmt.Errorf("open sink %s: %w", n.Name, err))
		}
		found.add("sink", n.Name, "good")
	}
	return found, f.checkState(ctx, found)
}

func (k *checkup) add(part, name, format string, args ...any) {
	k.Checks = append(k.Checks, check{Part: part, Name: name, Result: fmt.Sprintf(format, args...)})
}

func checkSink(ctx context.Context, f *flow, n *stream.SinkNode) error {
	if p, ok := n.Sink.(stream.Prober); ok {
		_, err := p.Probe(ctx)
		return err
	}
	previewer, ok := n.Sink.(stream.Previewer)
	if !ok {
		return nil
	}
	_, err := previewer.Preview(ctx, stream.Target{Flow: f.plan.Flow, Sink: n.Name, Dir: f.state, Collections: n.Inputs})
	return err
}

// reach asks a model of vectors for one. What another model answers is paid for by its length, so that it is not asked.
func (f *flow) reach(ctx context.Context, name string) (said string, err error) {
	m, ok := f.file.Models[name].(interface {
		answers(context.Context) (string, error)
	})
	if !ok {
		return "known", nil
	}
	if said, err = m.answers(ctx); err != nil {
		return "", modelFault(f.file, name, err, "check that the server of model %s runs, its address and its key", "%s: ask model %s for a vector: %s")
	}
	return said, nil
}

// checkState opens the state of a flow that is not running, and looks at the disk that it lies on.
func (f *flow) checkState(ctx context.Context, found *checkup) error {
	if f.exists() {
		if _, ok := findPeer(ctx, f.state); ok {
			found.add("state", "", "in use by the running flow")
			return nil
		}
	}
	if err := f.checkDisk(found); err != nil {
		return err
	}
	if !f.exists() {
		found.add("state", "", "none yet: %s", f.state)
		return f.checkStarts(ctx, found, nil)
	}
	var starts map[string]cdc.Start
	status, err := reading(f, func(db *statestore.DB) (s engine.Status, err error) {
		if starts, err = engine.StoppedStarts(db, f.plan); err == nil {
			s, err = engine.StoppedStatus(db, f.plan)
		}
		return s, err
	})
	if err != nil {
		return f.safe(f.silent(err))
	}
	found.add("state", "", "good, at epoch %d", status.Epoch)
	return f.checkStarts(ctx, found, starts)
}

// checkStarts holds where a stopped flow stands against what its sources can still give (I10). A flow that runs does so
// itself.
func (f *flow) checkStarts(ctx context.Context, found *checkup, starts map[string]cdc.Start) error {
	for _, n := range f.plan.Sources {
		source, ok := n.Source.(stream.Resumable)
		if !ok {
			continue
		}
		said, err := source.Resumes(ctx, starts[n.Name].Resume)
		switch {
		case errors.Is(err, cdc.ErrGap) && (starts[n.Name].Rescan || errors.Is(err, cdc.ErrReread)):
			found.add("state", n.Name, "the next run reads source %s again: %s", n.Name, f.file.Redact(err.Error()))
		case err != nil:
			return f.safe(&engine.ReadError{Source: n.Name, Err: err})
		default:
			found.add("state", n.Name, "%s", said)
		}
	}
	return nil
}

// checkDisk holds the free space where the state lies, or is going to lie, against what has to stay free.
func (f *flow) checkDisk(found *checkup) error {
	folder, err := filepath.Abs(f.state)
	if err != nil {
		return fmt.Errorf("look at the disk: %w", err)
	}
	var disk unix.Statfs_t
	for err = unix.Statfs(folder, &disk); errors.Is(err, fs.ErrNotExist) && folder != filepath.Dir(folder); err = unix.Statfs(folder, &disk) {
		folder = filepath.Dir(folder)
	}
	if err != nil {
		return fmt.Errorf("look at the disk of %s: %w", folder, err)
	}
	free, floor := int64(disk.Bavail)*int64(disk.Bsize), f.plan.Limits.DiskFree
	if free < floor {
		return newFault("disk_full", "free some space, or lower limits.disk_free", "%s are free for the state, and limits.disk_free asks for %s", stream.Bytes(free), stream.Bytes(floor))
	}
	found.add("disk", "", "%s are free; %s of them stay so", stream.Bytes(free), stream.Bytes(floor))
	return nil
}
