package main

import (
	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) resumeVerb() *cobra.Command {
	return c.intake(&cobra.Command{
		Use:   "resume FLOW",
		Short: "End a pause, and ask models again at once whose key, quota or setting has been seen to",
		Long: `Resume lets a flow that was paused take in what its sources have, from where it was.

It also tells a running flow that a person has dealt with what its models were
waiting for: a wrong key, an exhausted quota, an unknown model, or a model that
rejects every text. A stopped flow asks by itself when it is run again.`,
	}, "/api/v1/resume", "the flow takes in what its sources have, and its models are asked again", func(f *flow) (string, error) {
		idle := newFault("flow_not_running", "run it: it asks its models anew at the start", "the flow is neither running nor paused")
		if !f.exists() {
			return "", idle
		}
		return holding(f, false, func(db *statestore.DB) (string, error) {
			paused, err := engine.Paused(db)
			if err == nil && !paused {
				err = idle
			}
			if err != nil {
				return "", err
			}
			return "the next run takes in what its sources have", engine.PauseStopped(db, false)
		})
	})
}
