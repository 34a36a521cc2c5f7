package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/statestore"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) pauseVerb() *cobra.Command {
	return c.intake(&cobra.Command{
		Use:   "pause FLOW",
		Short: "Take nothing in from the sources of a flow until it is resumed",
		Long: `Pause keeps what sources have out of a flow until "freshet resume". What was taken
in before goes on to its end, and searches are answered. A pause lasts over
restarts; /readyz says intake_paused meanwhile. Nothing is lost, but what keeps a log
for the flow, such as a slot of PostgreSQL, has to keep it for so long.`,
	}, "/api/v1/pause", "the flow takes nothing in until it is resumed", func(f *flow) (string, error) {
		if !f.exists() {
			return "", newFault("not_found", "run it first: a flow that never ran has taken nothing in", "%s has no state", f.plan.Flow)
		}
		return holding(f, false, func(db *statestore.DB) (string, error) {
			return "the next run takes nothing in until it is resumed", engine.PauseStopped(db, true)
		})
	})
}

// intake is a verb about what a flow takes in: a running flow is asked at a path, and a stopped one changed by fn, which says
// what it did.
func (c *cli) intake(cmd *cobra.Command, path, done string, fn func(*flow) (string, error)) *cobra.Command {
	cmd.Args = takes("flow file")
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		said, err := either(cmd.Context(), c, args[0], func(p *peer) (string, error) {
			return done, p.ask(cmd.Context(), http.MethodPost, path, struct{}{}, &struct{}{})
		}, fn)
		return result{data: struct{}{}, text: func(w io.Writer) { fmt.Fprintln(w, said) }}, err
	})
	return cmd
}
