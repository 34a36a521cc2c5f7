package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
)

// checkpointTime bounds the copy of a running flow's state.
const checkpointTime = time.Hour

func (c *cli) checkpointVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "checkpoint FLOW DIR",
		Short: "Copy the state of a flow, verified, while it runs or not",
		Long: `Checkpoint copies the state to a new folder: rows, lineage, results of models, what
waits for sinks, positions of sources. Files are linked where the file system can.
The copy is read as a whole before it counts. Embedded indexes are not in it: they
are filled again from the results, at no call.`,
		Example: `  freshet checkpoint flow.yaml /backup/handbook-monday
  freshet restore flow.yaml /backup/handbook-monday`,
		Args: takes("flow file", "folder to be made"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		dir, err := filepath.Abs(args[1])
		if err != nil {
			return result{}, err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), checkpointTime)
		defer cancel()
		made, err := either(ctx, c, args[0], func(p *peer) (*api.Copy, error) {
			made := &api.Copy{}
			return made, p.ask(ctx, http.MethodPost, "/api/v1/checkpoint", api.Copy{Dir: dir}, made)
		}, func(f *flow) (*api.Copy, error) {
			if !f.exists() {
				return nil, newFault("usage", "run the flow first", "there is no state in %s", f.state)
			}
			return holding(f, false, func(db *statestore.DB) (*api.Copy, error) { return copyState(db, dir) })
		})
		if err != nil {
			return result{}, err
		}
		return result{data: made, text: func(w io.Writer) { fmt.Fprintf(w, "copied the state at epoch %d to %s\n", made.Epoch, made.Dir) }}, nil
	})
	return cmd
}

// Checkpoint copies the state of a running flow.
func (s *session) Checkpoint(dir string) (*api.Copy, error) { return copyState(s.db, dir) }

func copyState(db *statestore.DB, dir string) (*api.Copy, error) {
	epoch := db.DurableEpoch() // the copy is of this one or a later
	if err := db.Checkpoint(dir); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil, newFault("usage", "name a folder that is not there yet", "%s exists", dir)
		}
		return nil, err
	}
	return &api.Copy{Dir: dir, Epoch: epoch}, nil
}

func (c *cli) restoreVerb() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "restore FLOW DIR",
		Short: "Put a copy that checkpoint made in the place of a flow's state",
		Long: `Restore copies a checkpoint to where the flow keeps its state; the checkpoint stays
as it is. A state that is there is moved aside and named, never removed. At the
next run the sources go on where the copy stood, and sinks that are ahead of it are
brought to what follows from it. A source that has forgotten what came since, as a
replication slot that the flow has moved on has, ends that run with exit 10:
"freshet reset FLOW --source NAME --yes" has it read again.`,
		Args: takes("flow file", "folder of the checkpoint"),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		f, err := c.openStopped(cmd.Context(), args[0], "stop it first")
		if err != nil {
			return result{}, err
		}
		if !stateExists(args[1]) {
			return result{}, newFault("path_unreadable", "name a folder that `freshet checkpoint` has made", "%s holds no state", args[1])
		}
		if f.exists() && !yes {
			if err := c.confirm("Restore", "moves the present state "+f.state+" aside"); err != nil {
				return result{}, err
			}
		}
		r, err := f.restoreFrom(args[1])
		if err != nil {
			return result{}, f.safe(err)
		}
		return result{data: r, text: func(w io.Writer) {
			fmt.Fprintf(w, "restored the state of epoch %d\n", r.Epoch)
			if r.Aside != "" {
				fmt.Fprintf(w, "the state that was there is now %s\n", r.Aside)
			}
		}}, nil
	})
	return cmd
}

// restored is what restore has done.
type restored struct {
	Epoch uint64 `json:"epoch"`
	Aside string `json:"aside,omitempty"` // where the former state is now
}

// restoreFrom copies a checkpoint beside the state, verified, and then has them change places.
func (f *flow) restoreFrom(checkpoint string) (r restored, err error) {
	beside := f.state + ".restoring"
	if err := os.RemoveAll(beside); err != nil { // of a restore that was cut short
		return r, fmt.Errorf("restore %s: %w", checkpoint, err)
	}
	if r.Epoch, err = f.copyCheckpoint(checkpoint, beside); err != nil {
		return r, fmt.Errorf("restore %s: %w", checkpoint, err)
	}
	if _, err := os.Lstat(f.state); err == nil {
		if f.exists() {
			// Nobody else has it open.
			if _, err := holding(f, false, func(*statestore.DB) (any, error) { return nil, nil }); errors.As(err, new(*statestore.InUseError)) {
				return r, errors.Join(err, os.RemoveAll(beside))
			}
		}
		r.Aside = f.state + ".before-" + time.Now().UTC().Format("20060102T150405.000")
		if err := os.Rename(f.state, r.Aside); err != nil {
			return r, fmt.Errorf("move the present state aside: %w", err)
		}
	}
	if err := os.Rename(beside, f.state); err != nil {
		return r, fmt.Errorf("restore %s: %w", checkpoint, err)
	}
	return r, nil
}

// copyCheckpoint copies a checkpoint of this flow.
func (f *flow) copyCheckpoint(from, to string) (epoch uint64, err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return 0, err
	}
	db, err := statestore.Open(from, statestore.DBOptions{MemoryBytes: engine.StoreBytes(f.plan.Limits), Logger: f.log, ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := engine.BelongsTo(db, f.plan.Flow); err != nil {
		return 0, err
	}
	return db.DurableEpoch(), db.Checkpoint(to)
}
