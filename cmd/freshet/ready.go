package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/freshet/freshet/stream/engine"
)

// standing is how a flow does, and what hinders it; nothing hinders one that is stopped.
type standing struct {
	engine.Status
	Reasons []engine.Reason `json:"reasons"`
}

// standing asks path for the status of the running flow, and then what hinders it.
func (p *peer) standing(ctx context.Context, path string) (standing, error) {
	s := standing{Reasons: []engine.Reason{}}
	if err := p.ask(ctx, http.MethodGet, path, nil, &s.Status); err != nil {
		return s, err
	}
	found, err := p.reasons(ctx)
	s.Reasons = append(s.Reasons, found...)
	return s, err
}

// reasons are those of /readyz.
func (p *peer) reasons(ctx context.Context) ([]engine.Reason, error) {
	var said struct{ Reasons []engine.Reason }
	err := p.put(ctx, http.MethodGet, "/readyz", nil, func(reply *http.Response) error {
		if err := json.NewDecoder(reply.Body).Decode(&said); err != nil {
			return fmt.Errorf("read the answer of the running flow: %w", err)
		}
		return nil
	})
	return said.Reasons, err
}

// statusReady is the status of a flow that runs and is ready; any other is a fault. Probes that can run a program and
// carry no token (of containers, of pods) ask this way.
func (c *cli) statusReady(ctx context.Context, path string) (standing, error) {
	return either(ctx, c, path, func(p *peer) (standing, error) {
		s, err := p.standing(ctx, "/api/v1/status")
		if err != nil {
			return s, err
		}
		return s, s.fault()
	}, func(f *flow) (standing, error) {
		if err := f.unheld(); err != nil {
			return standing{}, err
		}
		return standing{}, newFault("flow_not_running", "start it with `freshet run <flow>`", "nobody runs the flow %s", f.plan.Flow)
	})
}

// fault is nil where the flow is ready, and otherwise tells the reasons.
func (s *standing) fault() error {
	if len(s.Reasons) == 0 {
		return nil
	}
	var reasons []string
	hint := "it goes on by itself when this is over; docs/operations.md says what each reason means"
	for _, r := range s.Reasons {
		reasons = append(reasons, r.Code+": "+r.Message)
		if r.Code == "intake_paused" {
			hint = "`freshet resume <flow>` ends the pause"
		}
	}
	return newFault("not_ready", hint,
		"the flow %s is not ready: %s", s.Flow, strings.Join(reasons, "; "))
}
