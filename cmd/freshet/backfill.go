package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/stream/api"
	"github.com/freshet/freshet/stream/engine"
)

func (c *cli) backfillVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backfill FLOW SOURCE",
		Short: "Read a source again from its start, and write just what differs",
		Long: `Backfill has a flow read every row of a source again: a running flow begins anew at
once, a stopped one with its next run. What the sinks hold already is not written
again, results that are known cost no call, and the source's guard against mass
deletes stays as it is.

A source that is a log, and may have forgotten rows which the sinks hold, is refused:
"freshet reset" reads it again, and then deletes them.`,
		Example: "  freshet backfill flow.yaml docs",
		Args:    takes("flow file", "source"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		when, err := c.backfill(cmd.Context(), args[0], args[1])
		return result{data: api.Reread{Source: args[1]}, text: func(w io.Writer) {
			fmt.Fprintf(w, "%s %s\n", when, wordsOfReset(engine.Reset{Source: args[1]}))
		}}, err
	})
	return cmd
}

// backfill has a source read again, and says by which run.
func (c *cli) backfill(ctx context.Context, path, source string) (string, error) {
	return either(ctx, c, path, func(p *peer) (string, error) {
		return "the flow begins anew and", p.ask(ctx, http.MethodPost, "/api/v1/backfill", api.Reread{Source: source}, &api.Reread{})
	}, func(f *flow) (string, error) {
		if err := engine.CheckBackfill(f.plan, source); err != nil {
			return "", err
		}
		if !f.exists() {
			return "", newFault("not_found", "its first run reads everything", "%s has no state", f.plan.Flow)
		}
		return "the next run", f.reset(engine.Reset{Source: source})
	})
}
