package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (c *console) resumeVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume FLOW",
		Short: "Ask models again at once whose key, quota or setting has been seen to",
		Long: `Resume tells a running flow that a person has dealt with what its models were
waiting for: a wrong key, an exhausted quota, an unknown model, or a model that
rejects every text. A stopped flow asks by itself when it is run again.`,
		Args: takes("flow file"),
	}
	cmd.RunE = c.verb(func(cmd *cobra.Command, args []string) (result, error) {
		state, err := c.place(args[0])
		if err != nil {
			return result{}, err
		}
		p, ok := findPeer(cmd.Context(), state)
		if !ok {
			return result{}, newFault("flow_not_running", "run it: it asks its models anew at the start", "the flow is not running")
		}
		var none struct{}
		if err := p.ask(cmd.Context(), http.MethodPost, "/api/v1/resume", struct{}{}, &none); err != nil {
			return result{}, err
		}
		return result{data: none, text: func(w io.Writer) { fmt.Fprintln(w, "the models are asked again") }}, nil
	})
	return cmd
}
