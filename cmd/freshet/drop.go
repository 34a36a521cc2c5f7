package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream"
	"github.com/freshet/freshet/stream/engine"
)

// dropped is what drop has removed.
type dropped struct {
	Sources []string `json:"sources"` // whose servers held something for the flow
	State   string   `json:"state,omitempty"`
}

func (c *cli) dropVerb() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "drop FLOW",
		Short: "Remove what a flow has made at its sources, and its state; rows in sinks stay",
		Long: `Drop takes a stopped flow away: what it has made where its sources read (a
replication slot, a publication), its row in a sink's freshet_progress, and its state
with everything that it remembers, its results and the embedded indexes among it. Rows
in other sinks stay. A state that is damaged is dropped as well.`,
		Args: takes("flow file"),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		// Without a plan: tables that have changed and models that do not answer are no reason to keep a slot.
		f, err := c.outline(args[0])
		if err != nil {
			return result{}, err
		}
		if _, ok := findPeer(cmd.Context(), f.state); ok {
			return result{}, newFault("state_in_use", "stop it first", "the flow is running")
		}
		var sources []string
		tenants := maps.Collect(f.file.Flow.Tenants)
		for name := range f.file.Flow.Tenants {
			sources = append(sources, name)
		}
		if !yes {
			if err := c.confirm("Drop", wordsOfDrop(f, sources)); err != nil {
				return result{}, err
			}
		}
		// Whoever has the state may need all of it. It goes last: as long as it is there, whatever is left can be dropped again.
		var state string
		if _, err := f.awaited(cmd.Context(), func() (err error) {
			state, err = f.stateName()
			return err
		}); err != nil {
			return result{}, err
		}
		for _, name := range sources {
			if err := tenants[name].Drop(cmd.Context()); err != nil {
				return result{}, f.safe(fmt.Errorf("drop what source %s has made: %w", name, err))
			}
		}
		if state != "" {
			f.leaveSinks(cmd.Context(), state)
		}
		gone := dropped{Sources: append([]string{}, sources...)}
		if f.exists() {
			if _, err := f.awaited(cmd.Context(), f.removeState); err != nil {
				return result{}, err
			}
			gone.State = f.state
		}
		return result{data: gone, text: func(w io.Writer) { fmt.Fprintln(w, wordsOfDropped(f, gone)) }}, nil
	})
	return cmd
}

// stateName is what sinks know the state by; empty: the flow has none, or a damaged one, which drop is the way out of.
func (f *flow) stateName() (string, error) {
	if !f.exists() {
		return "", nil
	}
	db, err := statestore.Open(f.state, statestore.DBOptions{Logger: f.log, ReadOnly: true})
	name := ""
	if err == nil {
		name, err = engine.StateOf(db)
		err = errors.Join(err, db.Close())
	}
	if statestore.IsCorrupt(err) {
		f.log.Warn("the state is damaged, so what its sinks keep of the flow beside its rows stays there", "err", err)
		return "", statestore.Free(f.state)
	}
	return name, err
}

// leaveSinks removes what the sinks keep of the flow beside its rows. A sink that cannot be reached is told, and no reason to keep
// the rest: nobody but a person who looks is in the way of what stays there.
func (f *flow) leaveSinks(ctx context.Context, state string) {
	for name, sink := range f.file.Flow.Leavers {
		if err := sink.Leave(ctx, stream.Target{Flow: f.file.Name, Sink: name, State: state}); err != nil {
			f.log.Warn("what a sink keeps of the flow stays there", "sink", name, "err", f.safe(err))
		}
	}
}

// removeState removes the state directory, which nobody may hold.
func (f *flow) removeState() error { return statestore.Remove(f.state) }

func wordsOfDrop(f *flow, sources []string) string {
	words := "removes the state " + f.state
	if !f.exists() {
		words = "finds no state at " + f.state + " (--state names another place)"
	}
	if len(sources) > 0 {
		words += ", and removes what the flow has made at the servers of " + strings.Join(sources, ", ")
	}
	return words
}

func wordsOfDropped(f *flow, gone dropped) string {
	if gone.State != "" {
		return "dropped " + f.file.Name
	}
	words := "no state at " + f.state + ": if it lies elsewhere, drop it with --state"
	if len(gone.Sources) == 0 {
		return words
	}
	return fmt.Sprintf("dropped what %s had made at the servers of %s; %s", f.file.Name, strings.Join(gone.Sources, ", "), words)
}
