package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/stream/engine"
)

func (c *console) resumeVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume FLOW",
		Short: "Have the models of a running flow asked again at once, after rights, quota or budget were mended",
		Args:  takes("flow file"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		s, err := either(cmd.Context(), c, args[0], func(p *peer) (s engine.Status, err error) {
			return s, p.ask(cmd.Context(), http.MethodPost, "/api/v1/resume", struct{}{}, &s)
		}, func(f *flow) (engine.Status, error) {
			return engine.Status{}, newFault("flow_not_running", fmt.Sprintf("start it: `freshet run %s`", quoted(args[0])), "the flow is not running; its next run asks again by itself")
		})
		if err != nil {
			return result{}, err
		}
		return result{data: s, text: func(w io.Writer) { fmt.Fprintln(w, "the models are asked again") }}, nil
	})
	return cmd
}
