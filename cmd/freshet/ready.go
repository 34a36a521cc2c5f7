package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/freshet/freshet/stream/engine"
)

// statusReady is the status of a flow that runs and is ready; any other is a fault. Probes that can run a program and
// carry no token (of containers, of pods) ask this way.
func (c *console) statusReady(ctx context.Context, path string) (engine.Status, error) {
	return either(ctx, c, path, func(p *peer) (engine.Status, error) {
		var s engine.Status
		if err := p.ready(ctx); err != nil {
			return s, err
		}
		return s, p.ask(ctx, http.MethodGet, "/api/v1/status", nil, &s)
	}, func(f *flow) (engine.Status, error) {
		return engine.Status{}, newFault("flow_not_running", "start it with `freshet run "+quoted(path)+"`", "nobody runs the flow %s", f.plan.Flow)
	})
}

// ready is nil where /readyz says so, and otherwise a fault with the reasons.
func (p *peer) ready(ctx context.Context) error {
	reply, err := p.send(ctx, http.MethodGet, "/readyz", nil)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	var said struct {
		Ready   bool            `json:"ready"`
		Reasons []engine.Reason `json:"reasons"`
	}
	if err := json.NewDecoder(reply.Body).Decode(&said); err != nil {
		return fmt.Errorf("read the answer of the running flow: %w", err)
	}
	if said.Ready {
		return nil
	}
	var reasons []string
	for _, r := range said.Reasons {
		reasons = append(reasons, r.Code+": "+r.Message)
	}
	return newFault("not_ready", "it goes on by itself when this is over; docs/operations.md says what each reason means",
		"the flow %s is not ready: %s", p.Flow, strings.Join(reasons, "; "))
}
