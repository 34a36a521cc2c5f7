package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/engine"
)

func (c *console) pauseVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause FLOW",
		Short: "Take nothing in from the sources of a flow until it is resumed",
		Long: `Pause keeps what sources have out of a flow until "freshet resume". What was taken
in before goes on to its end, and searches are answered. A pause lasts over
restarts; /readyz says intake_paused meanwhile. Nothing is lost, but what keeps a log
for the flow, such as a slot of PostgreSQL, has to keep it for so long.`,
		Args: takes("flow file"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		text, err := c.pause(cmd.Context(), args[0])
		return result{data: struct{}{}, text: func(w io.Writer) { fmt.Fprintln(w, text) }}, err
	})
	return cmd
}

func (c *console) pause(ctx context.Context, path string) (string, error) {
	return either(ctx, c, path, func(p *peer) (string, error) {
		return "the flow takes nothing in until it is resumed", p.ask(ctx, http.MethodPost, "/api/v1/pause", struct{}{}, &struct{}{})
	}, func(f *flow) (string, error) {
		if !f.exists() {
			return "", newFault("not_found", "run it first: a flow that never ran has taken nothing in", "%s has no state", f.plan.Flow)
		}
		return holding(f, false, func(db *statestore.DB) (string, error) {
			if err := engine.BelongsTo(db, f.plan.Flow); err != nil {
				return "", err
			}
			return "the next run takes nothing in until it is resumed", engine.PauseStopped(db, true)
		})
	})
}
